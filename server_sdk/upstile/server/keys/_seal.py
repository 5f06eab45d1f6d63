"""Secrets at rest: AES-256-GCM, bound to the place where they belong, under keys that can be replaced.

A sealed value is

    version (1 byte) | name of the key (8) | nonce (12) | ciphertext and tag

The name of the key tells which one a value needs without opening it, so that an operator sees when an old key may go.
"""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from secrets import token_bytes

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from upstile.server._errors import ConfigurationError
from upstile.server.keys._files import KeyFile
from upstile.server.keys._secret_keys import HOW_TO_MAKE, SIZE, key_name, read_key

TOTP_SEED = "totp-seed"
"""The label of the seeds of authenticator apps; bound to (issuer, subject, authenticator id, "seed")."""
SIGNING_KEY = "signing-key"
"""The label of the private halves of signing keys; bound to (issuer, "", kid, "private")."""

SEALED = {
    "seed": TOTP_SEED,
    "destination": "destination",
    "code": "sent-code",
    "codes": "recovery-codes",
    "secret": "method-secret",
}
"""The members of an authenticator's data that are sealed, as base64url text, with their labels; each is bound to
(issuer, subject, authenticator id, the member's name)."""

_VERSION = b"\x01"
_NAME = slice(1, 9)
_HEAD = 9
_NONCE = 12
_SHORTEST = _HEAD + _NONCE + 16


class Seal:
    """Encrypts what must be readable again: what methods keep in secret, and signing keys.

    Args:
        keys: secret keys, each 32 random bytes as base64url text, the newest first. The first one encrypts, all of
            them decrypt.
        file: holds the key instead; it is read by `load`.

    Raises:
        ConfigurationError: there is no key, or one is malformed.
    """

    def __init__(self, keys: Sequence[str | bytes] = (), *, file: KeyFile | None = None) -> None:
        if isinstance(keys, str | bytes):
            raise ConfigurationError("secret_keys must be a list of keys, also where there is only one")
        if not keys and file is None:
            raise ConfigurationError(f"secret_keys is empty: pass at least one key. {HOW_TO_MAKE}")
        self._file = file
        self._ciphers: dict[tuple[bytes, str], AESGCM] = {}
        self._keys = _named(keys)

    def load(self, *, anything_sealed: bool) -> None:
        """Read the key file, or make it while nothing is sealed; where keys were configured there is nothing to do.

        Raises:
            ConfigurationError: the file is missing or damaged, and something is sealed with it; or others can read it.
        """
        if self._file is not None and not self._keys:
            self._keys = _named([self._file.key(may_make=not anything_sealed)])

    def version_1_keys(self) -> list[bytes]:
        """The keys as version 1 of the schema knew them, for its migration alone."""
        self.load(anything_sealed=True)
        return [urlsafe_b64encode(key) for key in self._keys.values()]

    @property
    def current(self) -> str:
        """The name of the key that encrypts."""
        return self._newest.hex()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all configured keys, the newest first."""
        return tuple(name.hex() for name in self._keys)

    @property
    def _newest(self) -> bytes:
        if not self._keys:
            raise RuntimeError("the key file is used before the deployment was prepared")
        return next(iter(self._keys))

    def close(self, secret: bytes, *, label: str, bound: tuple[str, ...]) -> bytes:
        """Encrypt.

        Args:
            secret: what to encrypt.
            label: the kind of value; each kind has a key of its own.
            bound: where the value belongs: issuer, user, id, field. It opens nowhere else.
        """
        head, nonce = _VERSION + self._newest, token_bytes(_NONCE)
        cipher = self._cipher(self._newest, label)
        return head + nonce + cipher.encrypt(nonce, secret, _associated(head, bound))

    def open(self, sealed: bytes, *, label: str, bound: tuple[str, ...]) -> bytes:
        """Decrypt.

        Raises:
            ConfigurationError: its key is not among the configured ones, or the value was changed or moved.
        """
        name = _needed(sealed)
        if name not in self._keys:
            raise ConfigurationError(
                f"the storage holds a {label} that needs the secret key {name.hex()}, which is not among secret_keys: "
                "put that key back behind the newest one, and run `upstile-server keys reseal` before you remove it"
            )
        nonce, rest = sealed[_HEAD : _HEAD + _NONCE], sealed[_HEAD + _NONCE :]
        try:
            return self._cipher(name, label).decrypt(nonce, rest, _associated(sealed[:_HEAD], bound))
        except InvalidTag:
            raise ConfigurationError(
                f"a {label} in the storage was changed, or moved from another user, record or issuer: restore it "
                "from a backup, or remove the record that holds it"
            ) from None

    def needs(self, sealed: bytes) -> str:
        """The name of the key that opens a value, read without opening it.

        Raises:
            ConfigurationError: it is no sealed value.
        """
        return _needed(sealed).hex()

    def _cipher(self, name: bytes, label: str) -> AESGCM:
        cipher = self._ciphers.get((name, label))
        if cipher is None:
            info = b"upstile seal 1\x00" + label.encode()
            derived = HKDF(SHA256(), SIZE, salt=None, info=info).derive(self._keys[name])
            cipher = self._ciphers[name, label] = AESGCM(derived)
        return cipher

    def __repr__(self) -> str:
        return f"Seal({len(self._keys)} keys)"


def _named(keys: Sequence[str | bytes]) -> dict[bytes, bytes]:
    """The keys by their names; an error tells a key's place, never the key."""
    named: dict[bytes, bytes] = {}
    for place, text in enumerate(keys, 1):
        key = read_key(text)
        if key is None:
            raise ConfigurationError(f"member {place} of secret_keys is not 32 bytes as base64url text. {HOW_TO_MAKE}")
        named.setdefault(key_name(key), key)
    return named


def _needed(sealed: bytes) -> bytes:
    if len(sealed) < _SHORTEST or sealed[:1] != _VERSION:
        raise ConfigurationError(
            "a sealed value in the storage is in no form that this release reads: run `upstile-server db check`"
        )
    return sealed[_NAME]


def _associated(head: bytes, bound: tuple[str, ...]) -> bytes:
    """What a value is bound to; each part stands behind its length, so that no two places look the same."""
    parts = (part.encode("utf-8", "surrogatepass") for part in bound)
    return head + b"".join(len(part).to_bytes(4, "big") + part for part in parts)
