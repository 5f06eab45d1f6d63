"""The key URI of a new authenticator app: whether it is one, its secret to type, and its picture."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qs, urlsplit

from upstile.client._text import harmless

_LONGEST = 1000
_QUIET = 2
"""Modules of quiet zone around the picture; phones do with less than the standard's four."""


def is_key_uri(uri: str) -> bool:
    """Whether it is what an authenticator app reads, and nothing else that a camera would open."""
    return uri.startswith("otpauth://totp/") and harmless(uri, longest=_LONGEST) == uri


def secret_in(uri: str) -> str:
    """The secret in groups of four, for who has no camera."""
    secret = "".join(parse_qs(urlsplit(uri).query).get("secret", ()))
    return " ".join(secret[n : n + 4] for n in range(0, len(secret), 4))


def picture_of(uri: str) -> list[list[bool]] | None:
    """The QR code, row by row, quiet zone included, `True` is dark; `None` without segno (extra `qr`)."""
    if find_spec("segno") is None:
        return None
    segno: Any = import_module("segno")
    code = segno.make_qr(uri, error="l")
    return [[bool(module) for module in row] for row in code.matrix_iter(border=_QUIET)]


def in_half_blocks(picture: list[list[bool]]) -> list[str]:
    """Two rows of the picture in each row of text, light on the dark of a terminal."""
    even = picture if len(picture) % 2 == 0 else [*picture, [True] * len(picture[0])]
    blocks = {(True, True): " ", (False, True): "▀", (True, False): "▄", (False, False): "█"}
    return ["".join(blocks[pair] for pair in zip(*two, strict=True)) for two in zip(even[::2], even[1::2], strict=True)]
