"""What verifying an access token costs, beside the check of its signature and beside peers."""

from collections.abc import Iterator
from time import time

import joserfc
import jwt

from benchmarks.interleaved import Work, measure, ratio
from benchmarks.table import Row
from benchmarks.tokens import GROUPS, Tokens
from upstile.server.issuers import keycloak
from upstile.server.resource.tokens._profile import RFC9068, TokenProfile

_TARGETS = {"ES256": 1.15, "EdDSA": 1.15, "RS256": 1.45}
_BARE = "bare signature check"


def verify_rows(rounds: int) -> Iterator[Row]:
    """A token seen for the first time, and again, in three sizes."""
    for alg in _TARGETS:
        for size in GROUPS:
            yield from _rows(alg, size, rounds)
        yield _through_a_profile(alg, rounds)


def _through_a_profile(alg: str, rounds: int) -> Row:
    """The same tokens, as Keycloak's and as those of RFC 9068: they have what both look for."""
    tokens, now = Tokens.make(alg, azp="cli", typ="Bearer"), time()

    def through(profile: TokenProfile) -> Work:
        def work(times: int) -> None:
            verifier = tokens.verifier(profile)
            for text in tokens.texts[:times]:
                verifier.verify(text, now)

        return work

    seconds = measure({"with": through(keycloak()), "without": through(RFC9068)}, times=200, rounds=rounds)
    return Row(f"verify a token, {alg}, through keycloak()", "rfc9068()", ratio(seconds, "with", "without"), 1.05)


def _rows(alg: str, size: str, rounds: int) -> Iterator[Row]:
    tokens, now = Tokens.make(alg, size=size), time()
    known = tokens.verifier()

    def ours(times: int) -> None:
        verifier = tokens.verifier()
        for text in tokens.texts[:times]:
            verifier.verify(text, now)

    def again(times: int) -> None:
        for text in tokens.texts[:times]:
            known.verify(text, now)

    peers: dict[str, Work] = {
        f"PyJWT {jwt.__version__}": tokens.pyjwt(),
        f"joserfc {joserfc.__version__}": tokens.joserfc(),
    }
    seconds = measure({"bare": tokens.bare(), "ours": ours, "again": again, **peers}, times=200, rounds=rounds)
    beside = {peer: ratio(seconds, peer, "bare") for peer in peers}
    # Of large tokens most of the cost is JSON and base64: there we say how the peers fare, and want to be ahead.
    target = _TARGETS[alg] if not GROUPS[size] else round(min(peer.value for peer in beside.values()), 2)
    yield Row(f"verify a token, {alg}, {size}, new", _BARE, ratio(seconds, "ours", "bare"), target)
    for peer, value in beside.items():
        yield Row(f"  {peer}", _BARE, value, None)
    yield Row("  ours, seen before", _BARE, ratio(seconds, "again", "bare"), 0.1 if not GROUPS[size] else None)
