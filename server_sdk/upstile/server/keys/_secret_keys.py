"""Secret keys as they are configured: 32 random bytes each, written as base64url text."""

from base64 import urlsafe_b64encode
from binascii import a2b_base64
from hashlib import sha256
from secrets import token_bytes

HOW_TO_MAKE = (
    "Make one with: python -c 'import base64, secrets; "
    "print(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())'"
)
SIZE = 32
"""Bytes of a key."""

_to_standard = bytes.maketrans(b"-_", b"+/")


def new_key() -> bytes:
    """A fresh key, as text."""
    return urlsafe_b64encode(token_bytes(SIZE))


def read_key(text: str | bytes) -> bytes | None:
    """The bytes of a configured key; `None` if the text is none."""
    try:
        spelt = text.encode("ascii") if isinstance(text, str) else text
        # Both alphabets are read, as Fernet reads them: keys from `openssl rand -base64 32` are in use.
        spelt = spelt.strip().rstrip(b"=").translate(_to_standard)
        read = a2b_base64(spelt + b"=" * (-len(spelt) % 4), strict_mode=True)
    except ValueError:
        return None
    return read if len(read) == SIZE else None


def key_name(key: bytes) -> bytes:
    """What stands in front of each value that a key seals; it tells nothing about the key."""
    return sha256(b"upstile key name\x00" + key).digest()[:8]
