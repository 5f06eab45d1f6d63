"""Base64url and JSON as JOSE wants them: strict on the way in, canonical on the way out (RFC 7515 §2)."""

import json
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from upstile.protocol._errors import MalformedMessage

_FROM_STANDARD = bytes.maketrans(b"+/", b"-_")
# The last character of an unpadded text carries 2 or 4 bits that must be zero, or one value has many spellings.
_WHITE_SPACE = " \t\n\r"  # RFC 8259 §2
_CANONICAL_END = (None, frozenset[str](), frozenset("AQgw"), frozenset("AEIMQUYcgkosw048"))
_MAX_ESCAPES = 4096
"""In one text: each costs as much as a dozen letters, and no honest message has so many."""


def base64url_encode(data: bytes) -> str:
    """Encode as base64url without padding (RFC 7515 §2)."""
    return b2a_base64(data, newline=False).translate(_FROM_STANDARD, b"=").decode("ascii")


def base64url_decode(text: str) -> bytes:
    """Decode base64url without padding; the one canonical spelling only.

    Raises:
        MalformedMessage: padding, foreign characters, an impossible length or non-zero trailing bits.
    """
    end = _CANONICAL_END[len(text) % 4]
    if (end is not None and text[-1] not in end) or "+" in text or "/" in text or "=" in text or "\\" in text:
        raise MalformedMessage("not canonical base64url")
    try:
        return _decode(f'"{text}"')  # as a string of JSON: several times as fast as `binascii`
    except ValueError:  # pydantic's ValidationError and UnicodeEncodeError are ValueErrors
        raise MalformedMessage("not base64url") from None


def json_object(data: bytes | str) -> dict[str, Any]:
    """Read a JSON object, as strict as I-JSON (RFC 7493 §2): no name twice, no NaN, no half of a surrogate pair.

    Raises:
        MalformedMessage: the text is not one JSON object with unique names and whole characters, or has thousands of
            escapes.
    """
    try:
        text = (data if isinstance(data, str) else data.decode()).strip(_WHITE_SPACE)
        if text.count("\\") > _MAX_ESCAPES:
            raise MalformedMessage("too many escapes in JSON")
        value, end = _decoder.raw_decode(text)
        if "\\u" in text and "\\ud" in text.lower():  # the only way to half a pair, which nothing could carry on
            json_compact(value)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage("not a JSON object") from error
    if type(value) is not dict or end != len(text):
        raise MalformedMessage("not a JSON object")
    return value  # pyright: ignore[reportUnknownVariableType]


def json_compact(value: object) -> bytes:
    """Write JSON without white space: bodies, and the segments of a JWS.

    Raises:
        ValueError: a text holds half of a surrogate pair, a value is no JSON, or it is nested hundreds of times.
    """
    return _write(value)


def _dumped(value: object) -> bytes:
    """Writes until `pydantic_core` is there, which is ten times as fast and takes longer to import than one call."""
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def _first(text: str) -> bytes:
    """Decodes, and takes its own place: `pydantic_core` takes longer to import than this module."""
    global _decode, _write
    from pydantic_core import CoreConfig, SchemaValidator, core_schema, to_json

    settings = CoreConfig(val_json_bytes="base64", hide_input_in_errors=True)
    decode: Callable[[str], bytes] = SchemaValidator(core_schema.bytes_schema(), settings).validate_json
    _decode, _write = decode, to_json
    return decode(text)


_decode: Callable[[str], bytes] = _first
_write: Callable[[object], bytes] = _dumped


def _unique_names(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_unique_names, parse_constant=_no_constant)
