"""Where `upstile request` puts a response: standard output, or a file."""

import sys
from codecs import getincrementaldecoder
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unicodedata import category

Write = Callable[[bytes], object]


@contextmanager
def opened(path: str | None, note: Callable[[str], None]) -> Generator[Write]:
    """Where the bytes go."""
    if path is not None and path != "-":
        with Path(path).open("wb") as file:
            yield file.write
    elif sys.stdout.isatty():
        shown = _Shown(note)
        yield shown.write
        shown.end()
    else:
        yield sys.stdout.buffer.write


def head_of(response: Any) -> bytes:
    """Status line and headers, as they came."""
    status = f"{response.http_version} {response.status_code} {response.reason_phrase}".rstrip().encode()
    lines = [name + b": " + value for name, value in response.headers.raw]
    return b"".join(line + b"\r\n" for line in (status, *lines, b""))


class _Shown:
    """A terminal: text goes there without what it would obey, and what is no text does not go there."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._binary = False
        self._last = "\n"

    def write(self, chunk: bytes) -> None:
        """Show some of it."""
        if b"\0" in chunk and not self._binary:
            self._binary = True
            self._note("The body is binary and not shown on a terminal: use -o FILE, or a pipe.")
        if self._binary:
            return
        text = "".join(_harmless(character) for character in self._decoder.decode(chunk))
        if text:
            self._last = text[-1]
        sys.stdout.write(text)

    def end(self) -> None:
        """End the last line, for the prompt of the shell."""
        if self._last != "\n":
            sys.stdout.write("\n")


def _harmless(character: str) -> str:
    if character in "\n\t" or category(character) not in ("Cc", "Cf"):
        return character
    return "" if character == "\r" else "\ufffd"
