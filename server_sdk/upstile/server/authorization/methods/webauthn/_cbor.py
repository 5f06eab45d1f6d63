"""CBOR that is safe to hand to a library: the plain subset that authenticators write (CTAP 2.1 §8).

A general reader executes tags: one compiles a regular expression, which a short text makes arbitrarily slow. What
authenticators make has no tags, no indefinite lengths and little depth, so the bytes are walked once before anything
interprets them.
"""

from typing import Any

from webauthn.helpers import encode_cbor, parse_cbor
from webauthn.helpers.exceptions import InvalidCBORData

_MAX_DEPTH = 6
_MAX_ITEMS = 64
_FALSE, _NULL = 20, 22
_HEAD = 37
"""Bytes of authenticator data before what is optional: hash of the relying party, flags, counter (WebAuthn §6.1)."""
_ATTESTED, _EXTENSIONS = 0x40, 0x80
_LONGEST_ID = 1023
"""Bytes of a credential's identifier (WebAuthn §7.1)."""


class NotPlain(ValueError):
    """The bytes are not the CBOR that an authenticator writes."""


def check_attestation(data: bytes) -> None:
    """Check an attestation object and the authenticator data in it.

    Raises:
        NotPlain: it holds what no authenticator writes.
    """
    check_item(data)
    members = _read(data)
    try:
        inner = members["authData"]
    except (KeyError, TypeError) as error:
        raise NotPlain("no authData") from error
    check_authenticator_data(inner if isinstance(inner, bytes) else b"")


def check_authenticator_data(data: bytes) -> None:
    """Check the public key and the extensions in authenticator data.

    Raises:
        NotPlain: they hold what no authenticator writes.
    """
    if len(data) < _HEAD:
        raise NotPlain("too short")
    flags, at = data[32], _HEAD
    if flags & _ATTESTED:
        at += 16  # aaguid
        length = int.from_bytes(data[at : at + 2], "big")
        if length > _LONGEST_ID:
            raise NotPlain("an identifier that is too long")
        at += 2 + length
        at = _part(data, at)
    if flags & _EXTENSIONS:
        at = _part(data, at)
    if at != len(data):
        raise NotPlain("bytes are left over")


def check_item(data: bytes) -> None:
    """Check that the bytes are one item.

    Raises:
        NotPlain: they hold what no authenticator writes.
    """
    if _item(data, 0, 0) != len(data):
        raise NotPlain("bytes are left over")


def _part(data: bytes, at: int) -> int:
    """Walk over one item of authenticator data; where it ends, for us and for the library.

    The library encodes what it read and takes that length to find the next item. With a padded number or a key that
    stands twice it would go on somewhere else than we do, and read an item that we never saw.
    """
    end = _item(data, at, 0)
    if len(encode_cbor(_read(data[at:end]))) != end - at:
        raise NotPlain("not in the shortest form")
    return end


def _read(data: bytes) -> Any:
    try:
        return parse_cbor(data)
    except InvalidCBORData as error:
        raise NotPlain("a key stands twice, or a text is not UTF-8") from error


def _item(data: bytes, at: int, depth: int) -> int:
    """Walk over one item; where it ends. Types and lengths are those of RFC 8949 §3."""
    if at >= len(data) or depth > _MAX_DEPTH:
        raise NotPlain("cut off, or too deep")
    kind, short = data[at] >> 5, data[at] & 0x1F
    at += 1
    if kind == 7:
        if not _FALSE <= short <= _NULL:
            raise NotPlain("a number with a fraction, or a value of no meaning here")
        return at
    length, at = _length(data, at, short)
    if kind in (0, 1):
        return at
    if kind in (2, 3):
        if length > len(data) - at:
            raise NotPlain("cut off")
        return at + length
    if kind == 6 or length > _MAX_ITEMS:
        raise NotPlain("a tag, or too many entries")
    for _ in range(length * (kind - 3)):  # an entry of a map is two items
        at = _item(data, at, depth + 1)
    return at


def _length(data: bytes, at: int, short: int) -> tuple[int, int]:
    if short < 24:
        return short, at
    if short > 27:
        raise NotPlain("a length that is not said")
    size = 1 << (short - 24)
    if at + size > len(data):
        raise NotPlain("cut off")
    return int.from_bytes(data[at : at + size], "big"), at + size
