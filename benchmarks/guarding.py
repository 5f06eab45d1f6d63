"""What the whole guard costs on a token that was seen: as bearer, and bound to a key."""

import asyncio
from collections.abc import Coroutine, Iterator
from itertools import cycle
from pathlib import Path
from secrets import token_hex, token_urlsafe
from statistics import median
from tempfile import TemporaryDirectory
from time import time
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from jwt import PyJWK

from benchmarks.interleaved import Work, measure, ratio
from benchmarks.table import Row
from benchmarks.tokens import URL, Tokens
from upstile.protocol import base64url_decode, create_proof, es256_jwk, jwk_thumbprint, token_hash
from upstile.server import AccessToken, Requirement
from upstile.server._http import HttpRequest
from upstile.server.resource._guard import Guard
from upstile.server.resource._refusal import Refusals
from upstile.server.resource._replay import ReplaySet
from upstile.server.storage import Names, Revocations
from upstile.server.storage._records import Revocation
from upstile.server.storage.sqlite import SqliteStore

REVOKED = 10_000
TIMES = 200
RECENT = Requirement(acr="mfa", max_age=300)
_ES256 = ec.ECDSA(SHA256())
_BARE = "bare ECDSA check"


def guard_rows(rounds: int) -> Iterator[Row]:
    """All of it while 10 000 revocations of other users are live."""
    with TemporaryDirectory() as folder:
        yield from asyncio.run(_guard_rows(Path(folder), rounds))


async def _guard_rows(folder: Path, rounds: int) -> list[Row]:
    store = SqliteStore(folder / "state.db", URL)
    await store.prepare()
    bound = _Bound(store, TIMES * (rounds + 1))
    work = {
        "bare": bound.bare(),
        "by hand": bound.by_hand(),
        **_bearer(store),
        "GET": bound.gets(),
        "POST": bound.posts(),
    }
    seconds = measure(work, times=TIMES, rounds=rounds)
    await store.aclose()
    microseconds = {name: median(values) * 1e6 for name, values in seconds.items()}
    return [
        Row("guard, token seen, in µs", "1.8 µs", microseconds["seen"] / 1.8, 1.0),
        Row("guard, verdict remembered, in µs", "1.2 µs", microseconds["remembered"] / 1.2, 1.0),
        Row("  the careful way, in µs", "1.8 µs", microseconds["careful"] / 1.8, None),
        Row("a DPoP-bound GET, whole guard", _BARE, ratio(seconds, "GET", "bare"), 1.12),
        Row("a DPoP-bound POST, whole guard with SQLite", _BARE, ratio(seconds, "POST", "bare"), None),
        Row("  PyJWT by hand, proof only", _BARE, ratio(seconds, "by hand", "bare"), None),
    ]


def _bearer(store: SqliteStore) -> dict[str, Work]:
    tokens, now = Tokens.make("ES256"), time()
    guard = _guard(tokens, store)
    headers = [*_HEADERS, (b"authorization", f"Bearer {tokens.texts[0]}".encode())]
    request = HttpRequest(method="GET", path="/x", headers=headers)
    guard.authenticate(request, now)
    quick, forgetful = guard.admission(RECENT, _is_told), guard.admission(Requirement(acr="mfa", max_age=301), _is_told)

    def remembered(times: int) -> None:
        for _ in range(times):
            if quick.admit(headers, now) is None:
                raise RuntimeError("not admitted")

    def seen(times: int) -> None:
        for _ in range(times):
            forgetful._verdicts.clear()  # as if this requirement met the token for the first time
            if forgetful.admit(headers, now) is None:
                raise RuntimeError("not admitted")

    def careful(times: int) -> None:
        for _ in range(times):
            _finished(guard.require(guard.authenticate(request, now), RECENT, now))

    return {"remembered": remembered, "seen": seen, "careful": careful}


_HEADERS = [(b"host", b"api.example.com"), (b"accept", b"*/*"), (b"accept-encoding", b"gzip"), (b"user-agent", b"x/1")]


_UNTOLD = frozenset[str]()


def _is_told(token: AccessToken) -> bool:
    """As a deployment says it of a token whose first call was told of."""
    return token.jti not in _UNTOLD


class _Bound:
    """Calls with a token that is bound to a key.

    Args:
        store: where proofs are used up.
        number: how many calls of each method there will be.
    """

    def __init__(self, store: SqliteStore, number: int) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        tokens = Tokens.make("ES256", cnf={"jkt": jwk_thumbprint(es256_jwk(self._key.public_key()))})
        self._token, self._guard, self._now = tokens.texts[0], _guard(tokens, store), time()
        # As many as the guard is given: with few, they would lie in the processor's cache.
        self._signed = cycle([self._proof("GET") for _ in range(number)])
        self._number = number
        self._guard.authenticate(self._call("GET"), self._now)  # from now on it has seen the token

    def gets(self) -> Work:
        """The whole guard on calls that read, each with a proof of its own, which this node notes."""
        unused, quick, now = self._calls("GET"), self._guard.admission(RECENT, _is_told), self._now

        def work(times: int) -> None:
            for _ in range(times):
                if quick.admit_bound(next(unused), now) is None:
                    raise RuntimeError("not admitted")

        return work

    def posts(self) -> Work:
        """The same on calls that change something: their proofs are used up in the store."""
        unused, guard, now = self._calls("POST"), self._guard, self._now

        def work(times: int) -> None:
            for _ in range(times):
                _finished(guard.require(guard.authenticate(next(unused), now), RECENT, now))

        return work

    def _calls(self, method: str) -> Iterator[HttpRequest]:
        return iter([self._call(method) for _ in range(self._number)])

    def _call(self, method: str) -> HttpRequest:
        authorization = (b"authorization", f"DPoP {self._token}".encode())
        proof = (b"dpop", self._proof(method).encode())
        return HttpRequest(method=method, path="/x", headers=[*_HEADERS, authorization, proof])

    def bare(self) -> Work:
        """The signature of a proof, out of its text."""
        public = self._key.public_key()

        def work(times: int) -> None:
            for _ in range(times):
                signing_input, _, signature = next(self._signed).rpartition(".")
                raw = base64url_decode(signature)
                der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
                public.verify(der, signing_input.encode(), _ES256)

        return work

    def by_hand(self) -> Work:
        """A proof as one would check it with PyJWT: no claim but `ath`."""

        def work(times: int) -> None:
            for _ in range(times):
                proof = next(self._signed)
                jwk = PyJWK.from_dict(jwt.get_unverified_header(proof)["jwk"] | {"alg": "ES256"})
                claims = jwt.decode(proof, jwk, algorithms=["ES256"])
                if claims["ath"] != token_hash(self._token):
                    raise RuntimeError("ath")

        return work

    def _proof(self, method: str) -> str:
        url, jti = URL + "/x", token_urlsafe(12)
        return create_proof(self._key, htm=method, htu=url, now=self._now, jti=jti, access_token=self._token)


class _Log:
    """The log of revocations as it would be read from a store."""

    def revocations_after(self, number: int, now: float) -> list[Revocation]:
        """Tokens, base logins and users that are none of those measured."""
        kinds: tuple[Literal["token", "login", "proofs"], ...] = ("token", "login", "proofs")
        until = int(now) + 3600
        return [
            Revocation(kind=kinds[at % 3], name=token_hex(12), below=1, expires_at=until, number=at + 1)
            for at in range(REVOKED)
        ]


def _guard(tokens: Tokens, store: SqliteStore) -> Guard:
    names = Names(URL)
    names.load(b"benchmark")
    log: Any = _Log()
    revocations = Revocations(log, URL, bound=3600)
    revocations.look(time())
    return Guard(
        verifier=tokens.verifier(),
        url=URL,
        refusals=Refusals(realm="benchmark", resource_metadata=URL),
        replays=ReplaySet(),
        revocations=revocations,
        store=store,
        names=names,
    )


def _finished(work: Coroutine[Any, Any, None]) -> None:
    try:
        work.send(None)
    except StopIteration:
        return
    raise RuntimeError("the guard waited")
