"""A resource server in memory: keys of an issuer, its guard, a list of revocations and a store of one-time state."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeVar

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from upstile.protocol import Requirement, create_proof, es256_jwk, jwk_thumbprint
from upstile.server import AccessToken, Rejection
from upstile.server._errors import StorageUnavailable
from upstile.server._http import HttpRequest
from upstile.server.resource._admission import Admission
from upstile.server.resource._guard import Guard
from upstile.server.resource._issuer import Issuer
from upstile.server.resource._refusal import Refusals
from upstile.server.resource._replay import ReplaySet
from upstile.server.resource.tokens._jwt import SignedTokens
from upstile.server.resource.tokens._keys import VerificationKeys
from upstile.server.storage._names import Names
from upstile.server.storage._records import OneTimeKey, Record
from upstile.server.storage._stores import Decide, Rows, no_rows

T = TypeVar("T")
URL = "https://api.example.com"
NOW = 1_800_000_000
KEY, OTHER_KEY, CLIENT = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
JKT = jwk_thumbprint(es256_jwk(CLIENT.public_key()))
BOUND: dict[str, Any] = {"cnf": {"jkt": JKT}}
"""The claim of a token that is bound to the client's key."""


def jwk(key: ec.EllipticCurvePrivateKey, kid: str) -> dict[str, str]:
    """A key as an issuer publishes it."""
    return {**es256_jwk(key.public_key()), "kid": kid, "alg": "ES256", "use": "sig"}


def token(**claims: Any) -> str:
    """An elevated bearer token of five minutes; `None` leaves a claim out. The same claims are signed once."""
    return _signed(json.dumps(claims))


@lru_cache(maxsize=4096)
def _signed(encoded: str) -> str:
    claims = json.loads(encoded)
    standard = {"iss": URL, "aud": URL, "sub": "ada", "client_id": "cli", "iat": NOW, "exp": NOW + 300, "jti": "j"}
    own = {"scope": "payments", "acr": "mfa", "amr": ["otp"], "auth_time": NOW, "sid": "s"}
    members = {name: value for name, value in {**standard, **own, **claims}.items() if value is not None}
    return jwt.encode(members, KEY, "ES256", headers={"typ": "at+jwt", "kid": "k"})


@dataclass
class Revoked:
    """A list of revocations as a test sets it."""

    usable: bool = True
    names: set[str] = field(default_factory=set[str])

    def covers(self, token: AccessToken) -> bool:
        """Whether a token is revoked by itself, with its base login or with all of its user."""
        return not self.names.isdisjoint((token.jti, token.sid or "", token.subject))


@dataclass
class MemoryStore:
    """One-time state in a dictionary, with what was asked of it.

    Attributes:
        away: it cannot be reached.
        asked: the keys of each call.
    """

    away: bool = False
    records: dict[OneTimeKey, Record] = field(default_factory=dict[OneTimeKey, Record])
    asked: list[list[OneTimeKey]] = field(default_factory=list[list[OneTimeKey]])

    async def prepare(self) -> None:
        """Nothing is to be opened."""

    async def get_many(self, keys: Sequence[OneTimeKey], now: float) -> dict[OneTimeKey, Record]:
        """The live records of these keys."""
        return {key: self.records[key] for key in keys if key in self.records and self.records[key].expires_at > now}

    async def update_many(
        self, keys: Sequence[OneTimeKey], decide: Decide[T], now: float, rows: Rows[T] = no_rows
    ) -> T:
        """Read, decide, write."""
        self.asked.append(list(keys))
        if self.away:
            raise StorageUnavailable("away")
        kept, result = decide(await self.get_many(keys, now))
        for key, record in kept.items():
            assert key in keys
            if record is None:
                self.records.pop(key, None)
            else:
                self.records[key] = record
        return result

    async def ping(self) -> None:
        """It is always there."""

    async def time(self) -> float | None:
        return None

    def tidy(self, now: float) -> None:
        """Nothing is swept."""

    async def aclose(self) -> None:
        """Nothing is held."""


class Resource:
    """A guard and all that it stands on.

    Args:
        marks_single_use: whether the issuer says which tokens serve one call.
        replay: where proofs are remembered.

    Attributes:
        untold: the `jti` of tokens whose next call has to be told of.
    """

    def __init__(
        self, *, marks_single_use: bool = True, replay: Literal["node", "shared"] | None = None, bound: int = 1000
    ) -> None:
        self.keys = VerificationKeys([jwk(KEY, "k")])
        self.revoked = Revoked()
        self.untold: set[str] = set()
        self.store = MemoryStore()
        names = Names(URL)
        names.load(b"secret")
        issuer = Issuer(identifier=URL, satisfies={"phr": {"mfa"}}, marks_single_use=marks_single_use)
        self.guard = Guard(
            verifier=SignedTokens(issuer=issuer, audience=frozenset({URL}), keys=lambda: self.keys),
            url=URL,
            refusals=Refusals(realm="api", resource_metadata=URL),
            replays=ReplaySet(bound),
            revocations=self.revoked,
            store=self.store,
            names=names,
            replay=replay,
        )

    def admission(self, requirement: Requirement) -> Admission:
        """The quick way through for one requirement."""
        return self.guard.admission(requirement, self._is_told)

    def _is_told(self, token: AccessToken) -> bool:
        return token.jti not in self.untold

    def carefully(self, request: HttpRequest, requirement: Requirement, now: float) -> AccessToken | None:
        """What the guard says: the token of a call that may go on, or `None`."""
        try:
            call = self.guard.authenticate(request, now)
            finished(self.guard.require(call, requirement, now))
        except Rejection:
            return None
        return call.token


def bearer(text: str) -> HttpRequest:
    """A call with a bearer token, as most clients write it."""
    return HttpRequest(method="GET", path="/x", headers=[(b"authorization", f"Bearer {text}".encode())])


def bound_call(text: str, *, method: str = "GET", jti: str = "p", key: Any = CLIENT, now: float = NOW) -> HttpRequest:
    """A call with a bound token and a proof of its own."""
    proof = create_proof(key, htm=method, htu=f"{URL}/x", now=now, jti=jti, access_token=text)
    headers = [(b"authorization", f"DPoP {text}".encode()), (b"dpop", proof.encode())]
    return HttpRequest(method=method, path="/x", headers=headers)


def finished(work: Any) -> None:
    """Run a coroutine that does not wait."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("it waited")
