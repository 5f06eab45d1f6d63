"""The signing keys of the embedded server: kept sealed, published as a JWK Set, replaced in time."""

import asyncio
import logging
from collections.abc import Mapping
from itertools import count
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from pydantic_core import to_json

from upstile.protocol import es256_compact, es256_jwk, jwk_thumbprint, jws_header
from upstile.server._errors import ConfigurationError
from upstile.server.keys._rotation import (
    PUBLISHED_AHEAD,
    ROTATED_AFTER,
    Keys,
    first,
    living,
    newest_first,
    rotated,
    whose_turn,
)
from upstile.server.keys._seal import SIGNING_KEY, Seal
from upstile.server.resource.tokens._keys import VerificationKeys
from upstile.server.storage._records import SigningKeyRecord
from upstile.server.storage._stores import DurableStore

REFRESH = 60
"""Seconds between two looks at the store, which must be far fewer than a key is published ahead."""
FLOOR = 1.0
"""Seconds between two looks for an unknown `kid`, whatever callers send."""

_SHORTEST_AGE = 86_400
_THUMBPRINT = 43
_log = logging.getLogger("upstile.server")


class _Key(NamedTuple):
    """An opened key."""

    kid: str
    created: int
    signs_from: int
    private: ec.EllipticCurvePrivateKey
    header: str
    jwk: dict[str, str]


class SigningKeys:
    """Signs access tokens with the key whose turn it is, and knows the public half of all that are published.

    Args:
        store: where the keys are kept.
        seal: encrypts their private halves.
        issuer: our issuer identifier, to which they are bound.
        rotate_after: seconds after which a newer key is made; `None` leaves it to `upstile-server keys rotate`.

    Raises:
        ConfigurationError: keys would be replaced more than once a day.
    """

    def __init__(
        self, store: DurableStore, seal: Seal, issuer: str, *, rotate_after: float | None = ROTATED_AFTER
    ) -> None:
        if rotate_after is not None and rotate_after < _SHORTEST_AGE:
            raise ConfigurationError(f"rotate_keys_after={rotate_after} must be at least {_SHORTEST_AGE} s (a day)")
        self._store = store
        self._seal = seal
        self._issuer = issuer
        self._rotate_after = rotate_after
        self._keys: tuple[_Key, ...] = ()
        self._jwks: dict[str, Any] = {"keys": []}
        self._verification: VerificationKeys | None = None
        self._refreshed = self._looked = float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self._orders = count(1)
        self._shown = 0

    async def prepare(self, now: float) -> None:
        """Load the keys, or make the first one. Several processes may do so at once; one key wins.

        Raises:
            ConfigurationError: a key cannot be opened with the configured secret keys.
        """
        found = await self._store.change_signing_keys(lambda keys: (keys, keys))
        self._seal.load(anything_sealed=bool(found))
        if not found:
            fresh = self._fresh(now, ahead=0)
            found = await self._store.change_signing_keys(lambda keys: first(keys, fresh))
        self._take([self._open(record) for record in newest_first(found)])
        self._refreshed = now

    def sign(self, claims: Mapping[str, Any], now: float) -> str:
        """Make a signed access token (RFC 9068 §2.1)."""
        if not self._keys:
            raise ConfigurationError("the authorization server is used before it was prepared")
        key = whose_turn(self._keys, now)
        return es256_compact(key.private, key.header, to_json(claims))

    def verification(self) -> VerificationKeys:
        """The keys that verify our own tokens; the same object until one comes or goes."""
        if self._verification is None:
            raise ConfigurationError("the authorization server is used before it was prepared")
        return self._verification

    def jwks(self) -> dict[str, Any]:
        """The JWK Set document (RFC 7517 §5): all published keys."""
        return self._jwks

    def due(self, now: float) -> bool:
        """Whether `tick` has anything to do; costs nothing."""
        return not 0 <= now - self._refreshed < REFRESH  # a clock that was set back looks at once

    async def tick(self, now: float) -> None:
        """To be called each second: once a minute it sees what other nodes did, and rotates what is old enough.

        It may run on another event loop than the one that serves.

        Raises:
            StorageUnavailable: the store cannot be read; the keys that are known go on.
        """
        if not self.due(now):
            return
        self._refreshed = now
        await self._refresh(now)
        age = self._rotate_after
        if age is not None and self._keys and now >= self._keys[0].created + age:
            await self.rotate(now, older_than=age)

    async def look(self, kid: str, now: float) -> bool:
        """Look into the store for a key that a token names and this node does not know; whether it knows it now.

        All callers share one look, and there is at most one in a second: who sends tokens with invented names makes
        no node read more than that. Within that second an unknown name is refused. No right token suffers: a key is
        published ten minutes before it signs.

        Raises:
            StorageUnavailable: the store cannot be read.
        """
        if not self._knows(kid) and len(kid) == _THUMBPRINT:
            if (self._looking is None or self._looking.done()) and not 0 <= now - self._looked < FLOOR:
                self._looked = now
                self._looking = asyncio.create_task(self._read())
                self._looking.add_done_callback(self._look_ended)
            if self._looking is not None and not self._looking.done():
                await asyncio.shield(self._looking)  # who hangs up ends nobody else's look
        return self._knows(kid)

    async def rotate(self, now: float, *, older_than: float = 0) -> Keys:
        """Publish a new key, which signs ten minutes later; all keys afterwards.

        Where one waits for its turn already, or the newest is younger than `older_than` seconds, none is made.
        """
        fresh, order = self._fresh(now, ahead=PUBLISHED_AHEAD), next(self._orders)
        found = await self._store.change_signing_keys(lambda keys: rotated(keys, fresh, now, older_than))
        self._show(found, order)
        return found

    async def _read(self) -> None:
        order = next(self._orders)
        self._show(await self._store.change_signing_keys(lambda keys: (keys, keys)), order)

    async def _refresh(self, now: float) -> None:
        def decide(keys: Keys) -> tuple[Keys, Keys]:
            kept = living(keys, now)
            return kept, kept

        order = next(self._orders)
        self._show(await self._store.change_signing_keys(decide), order)

    def _show(self, records: Keys, order: int) -> None:
        """Know what the store has; a key that cannot be opened here is told, and the rest goes on.

        What was asked for before `order` and comes later, from another thread, is older, and does not count.
        """
        if order < self._shown:
            return
        self._shown = order
        known = {key.kid: key for key in self._keys}
        opened: list[_Key] = []
        for record in newest_first(records):
            try:
                opened.append(known.get(record.kid) or self._open(record))
            except ConfigurationError as error:
                _log.error("a new signing key cannot be used by this process: %s", error)
        if opened and [key.kid for key in opened] != [key.kid for key in self._keys]:
            self._take(opened)

    def _take(self, keys: list[_Key]) -> None:
        jwks = [key.jwk for key in keys]
        self._verification, self._jwks, self._keys = VerificationKeys(jwks), {"keys": jwks}, tuple(keys)

    @staticmethod
    def _look_ended(task: "asyncio.Task[None]") -> None:
        if not task.cancelled():
            task.exception()  # whoever waits gets it; where nobody does any more, it is nobody's

    def _knows(self, kid: str) -> bool:
        return any(key.kid == kid for key in self._keys)

    def _fresh(self, now: float, *, ahead: int) -> SigningKeyRecord:
        key = ec.generate_private_key(ec.SECP256R1())
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        kid = jwk_thumbprint(es256_jwk(key.public_key()))
        sealed = self._seal.close(der, label=SIGNING_KEY, bound=bound_to(self._issuer, kid))
        return SigningKeyRecord(kid=kid, sealed=sealed, created=int(now), signs_from=int(now) + ahead)

    def _open(self, record: SigningKeyRecord) -> _Key:
        bound = bound_to(self._issuer, record.kid)
        key = load_der_private_key(self._seal.open(record.sealed, label=SIGNING_KEY, bound=bound), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigurationError("a signing key in the storage is not a P-256 key")
        header = jws_header({"alg": "ES256", "typ": "at+jwt", "kid": record.kid})
        jwk = {**es256_jwk(key.public_key()), "kid": record.kid, "use": "sig", "alg": "ES256"}
        return _Key(record.kid, record.created, record.signs_from, key, header, jwk)


def bound_to(issuer: str, kid: str) -> tuple[str, ...]:
    """Where the private half of a signing key belongs."""
    return (issuer, "", kid, "private")
