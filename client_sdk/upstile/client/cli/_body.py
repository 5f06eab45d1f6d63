"""What `upstile request` sends: headers and a body, said as for curl."""

import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from upstile.client.cli._ending import Ending

_OURS = frozenset({"authorization", "dpop"})
_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the options say.

    Attributes:
        headers: those of `-H`.
        data: those of `-d`; several become one form.
        raw: that of `--data-binary`, sent as it is.
        json: that of `--json`.
    """

    headers: Sequence[str]
    data: Sequence[str]
    raw: str | None
    json: str | None


def headers_of(said: Said) -> list[tuple[str, str]]:
    """The headers, with those that the kind of body brings along where none of the same name was said.

    Raises:
        Ending: one cannot be sent, or is not the person's to set.
    """
    headers = [_header(text) for text in said.headers]
    names = {name.lower() for name, _ in headers}
    if said.json is not None:
        brought = [("content-type", _JSON), ("accept", _JSON)]
    else:
        brought = [("content-type", _FORM)] if said.data else []
    return [*headers, *(pair for pair in brought if pair[0] not in names)]


def body_of(said: Said) -> AbstractContextManager[bytes | BinaryIO | None]:
    """The body; a file that is sent as it is stays open meanwhile, and can be sent twice.

    Raises:
        Ending: there are two, or it is not what it should be.
    """
    if sum((bool(said.data), said.raw is not None, said.json is not None)) > 1:
        raise Ending("A call has one body", "Use one of --data, --data-binary and --json.")
    if said.json is not None:
        return nullcontext(_checked(_content(said.json)))
    if said.raw is not None and said.raw.startswith("@") and said.raw != "@-":
        return Path(said.raw[1:]).open("rb")
    if said.raw is not None:
        return nullcontext(_content(said.raw))
    if not said.data:
        return nullcontext(None)
    parts = [_content(text) for text in said.data]
    return nullcontext(b"&".join(part.translate(None, b"\r\n\0") for part in parts))


def _content(text: str) -> bytes:
    """What stands there, or in the file behind `@`; `@-` is standard input."""
    if not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape")
    if text == "@-":
        return sys.stdin.buffer.read()
    return Path(text[1:]).read_bytes()


def _checked(content: bytes) -> bytes:
    """JSON, looked at before anybody is asked."""
    try:
        json.loads(content)
    except ValueError as error:
        raise Ending(f"What --json holds is no JSON: {error}", "In a shell, put it into single quotes.") from None
    return content


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not name or not text.isprintable() or not text.isascii():
        raise Ending(f"{text!r} is no header", 'Write it as -H "Name: value".')
    if name.lower() in _OURS:
        raise Ending(f"{name} is set by upstile itself", "Sign in, or hand a token over in UPSTILE_TOKEN.")
    return name, value
