"""What verifying an access token costs, beside the check of its signature and beside peers."""

from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from time import time
from typing import Any

import joserfc
import jwt

from benchmarks.interleaved import Work, measure, ratio
from benchmarks.table import Row
from benchmarks.tokens import GROUPS, URL, Tokens
from upstile.server.issuers import auth0, entra, keycloak, okta
from upstile.server.resource.tokens._profile import RFC9068, TokenProfile

_TARGETS = {"ES256": 1.15, "EdDSA": 1.15, "RS256": 1.45}
_BARE = "bare signature check"
_TENANT = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
_PROFILES: dict[str, tuple[TokenProfile, dict[str, Any]]] = {
    "keycloak()": (keycloak(), {"azp": "cli", "typ": "Bearer"}),
    "okta()": (okta(), {"cid": "cli", "scp": ["payments"]}),
    "auth0(namespace=)": (auth0(namespace=URL), {"azp": "cli", f"{URL}/acr": "mfa", f"{URL}/auth_time": 1_800_000_000}),
    "entra(tenant=)": (
        entra(tenant=_TENANT),
        {"tid": _TENANT, "azp": "cli", "scp": "payments", "acrs": ["c1"], "uti": "u"},
    ),
}
"""Profiles, and the claims that their issuers' tokens have besides those of RFC 9068."""


def verify_rows(rounds: int) -> Iterator[Row]:
    """A token seen for the first time, and again, in three sizes."""
    for alg in _TARGETS:
        for size in GROUPS:
            yield from _rows(alg, size, rounds)


def profile_rows(rounds: int) -> Iterator[Row]:
    """A new token of another issuer, read by the profile that knows how that issuer writes it."""
    for alg in _TARGETS:
        yield _through(alg, "keycloak()", rounds)
    for name in list(_PROFILES)[1:]:  # by RS256 alone: beside its quick check reading shows most
        yield _through("RS256", name, rounds)


def _through(alg: str, name: str, rounds: int) -> Row:
    """The same tokens, as those of a vendor and as those of RFC 9068: they have what both look for."""
    profile, claims = _PROFILES[name]
    tokens, now = Tokens.make(alg, **claims), time()

    def through(profile: TokenProfile) -> Work:
        def work(times: int) -> None:
            verifier = tokens.verifier(profile)
            for text in tokens.texts[:times]:
                verifier.verify(text, now)

        return work

    read = replace(profile, types=RFC9068.types)  # the header is judged once a key
    seconds = measure({"with": through(read), "without": through(RFC9068)}, times=200, rounds=rounds)
    return Row(f"verify a token, {alg}, through {name}", "rfc9068()", ratio(seconds, "with", "without"), 1.05)


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
    if alg != "EdDSA":  # which authlib's validator refuses
        peers[f"authlib {version('authlib')}, RFC 9068"] = tokens.authlib()
    seconds = measure({"bare": tokens.bare(), "ours": ours, "again": again, **peers}, times=200, rounds=rounds)
    beside = {peer: ratio(seconds, peer, "bare") for peer in peers}
    # Of large tokens most of the cost is JSON and base64: there we say how the peers fare, and want to be ahead.
    target = _TARGETS[alg] if not GROUPS[size] else round(min(peer.value for peer in beside.values()), 2)
    yield Row(f"verify a token, {alg}, {size}, new", _BARE, ratio(seconds, "ours", "bare"), target)
    for peer, value in beside.items():
        yield Row(f"  {peer}", _BARE, value, None)
    yield Row("  ours, seen before", _BARE, ratio(seconds, "again", "bare"), 0.1 if not GROUPS[size] else None)
