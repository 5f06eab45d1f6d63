"""Secrets as version 1 sealed them: only the migration reads them."""

from collections.abc import Callable, Iterable
from typing import Protocol

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from upstile.server._errors import ConfigurationError

Reseal = Callable[[str, tuple[str, ...], bytes], bytes]
"""Given the label of a secret, what it is bound to and its value as version 1 sealed it: the value sealed anew."""


def no_secret_keys(label: str, _: tuple[str, ...], __: bytes) -> bytes:
    """Refuses: what has no secret keys can seal nothing anew."""
    raise ConfigurationError(f"the storage of version 1 holds a {label}: secret_keys are needed to seal it anew")


class Closes(Protocol):
    """The seal of today."""

    def close(self, secret: bytes, *, label: str, bound: tuple[str, ...]) -> bytes:
        """Encrypt."""
        ...


def resealing(keys: Callable[[], Iterable[str | bytes]], seal: Closes) -> Reseal:
    """Seal anew what version 1 sealed.

    Args:
        keys: gives the configured secret keys; asked only when there is something to open.
        seal: seals it.
    """

    def reseal(label: str, bound: tuple[str, ...], sealed: bytes) -> bytes:
        try:
            secret = MultiFernet([Fernet(key) for key in keys()]).decrypt(sealed)
        except (InvalidToken, ValueError):
            raise ConfigurationError(
                f"none of secret_keys opens a {label} in the storage: put the key that sealed it back behind the "
                "newest one; nothing was changed"
            ) from None
        return seal.close(secret, label=label, bound=bound)

    return reseal
