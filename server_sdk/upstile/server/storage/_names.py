"""The keys of one-time state. Each carries the issuer, so that two deployments may share a store and never meet."""

import hmac
from typing import Literal

from upstile.server.storage._records import OneTimeKey

Kind = Literal["session", "code", "user", "login", "proof", "used", "enrolment"]


class Names:
    """Makes keys.

    What they name (a user, a session, a code) is in them as an HMAC only: who reads a store learns no name.

    Args:
        issuer: our issuer identifier.
    """

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._secret: bytes | None = None

    def load(self, secret: bytes) -> None:
        """Take the storage's own random key. It is not one of `secret_keys`: rotating those would forget all locks."""
        self._secret = secret

    def __call__(self, kind: Kind, name: str) -> OneTimeKey:
        """The key of a record."""
        if self._secret is None:
            raise RuntimeError("the storage is used before it was prepared")
        named = f"{self._issuer}\x00{kind}\x00{name}".encode("utf-8", "surrogatepass")
        return OneTimeKey(f"{kind}:{hmac.digest(self._secret, named, 'sha256').hex()[:40]}")
