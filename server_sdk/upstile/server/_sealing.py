"""Secrets at rest: encrypted with keys from configuration, which can be rotated."""

import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from upstile.server._errors import ConfigurationError


class Seal:
    """Encrypts what must be readable again: TOTP seeds and signing keys.

    Args:
        keys: Fernet keys (`cryptography.fernet.Fernet.generate_key()`), the newest first; the first one encrypts,
            all of them decrypt.

    Raises:
        ConfigurationError: there is no key, or one is malformed.
    """

    def __init__(self, keys: Sequence[str | bytes]) -> None:
        if not keys:
            raise ConfigurationError("secret_keys is empty: pass at least one Fernet key")
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError as error:
            raise ConfigurationError("a member of secret_keys is not a Fernet key") from error

    def close(self, secret: bytes) -> bytes:
        """Encrypt."""
        return self._fernet.encrypt(secret)

    def open(self, sealed: bytes) -> bytes:
        """Decrypt.

        Raises:
            ConfigurationError: no configured key fits; a key was removed too early.
        """
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken as error:
            raise ConfigurationError("none of secret_keys opens what is in the storage") from error

    def __repr__(self) -> str:
        return "Seal()"


def development_key(path: Path) -> bytes:
    """The key in a file that only its owner can read; made when it is missing. For development only."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    key = Fernet.generate_key()
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
    return key
