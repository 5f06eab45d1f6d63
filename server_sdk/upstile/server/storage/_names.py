"""The keys of one-time state. Each carries the issuer, so that two deployments may share a store and never meet."""

import hmac
from functools import lru_cache
from typing import Literal

from upstile.server.storage._records import OneTimeKey

Kind = Literal[
    "session", "code", "user", "login", "proof", "used", "authentication", "enrolment", "signed-out", "place"
]
_LASTING = ("user", "login")
"""What each phase names again, and what is no secret: a session and a code are good for whoever knows their names."""
_REMEMBERED = 1024


class Names:
    """Makes keys.

    What they name (a user, a session, a code) is in them as an HMAC only: who reads a store learns no name.

    Args:
        issuer: our issuer identifier.
    """

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._mac: hmac.HMAC | None = None
        self._lasting = lru_cache(maxsize=_REMEMBERED)(self._made)

    def load(self, secret: bytes) -> None:
        """Take the storage's own random key. It is not one of `secret_keys`: rotating those would forget all locks."""
        self._mac = hmac.new(secret, digestmod="sha256")
        self._lasting.cache_clear()

    def __call__(self, kind: Kind, name: str) -> OneTimeKey:
        """The key of a record."""
        return self._lasting(kind, name) if kind in _LASTING else self._made(kind, name)

    def _made(self, kind: Kind, name: str) -> OneTimeKey:
        if self._mac is None:
            raise RuntimeError("the storage is used before it was prepared")
        named = f"{self._issuer}\x00{kind}\x00{name}".encode("utf-8", "surrogatepass")
        mac = self._mac.copy()  # what is keyed once need not be keyed again
        mac.update(named)
        return OneTimeKey(f"{kind}:{mac.hexdigest()[:40]}")
