"""Where the demo is printed: lines fold within their indent, and a reader who goes away ends it quietly."""

import os
import sys
from io import TextIOWrapper
from threading import Event
from typing import NoReturn

from rich.console import Console
from rich.text import Text

_NARROWEST = 20


class ReaderLeft(Exception):
    """Nobody reads the output any more, as in `... | head`."""


class Page:
    """Standard output, for the story and for the server's thread alike."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # an ASCII locale gets question marks, not an exception
        self._console = _Console()

    def say(self, markup: str, *, indent: int = 0) -> None:
        """Print a line that keeps its indent where it has to be folded, without blanks at the end."""
        width = max(self._console.width - indent, _NARROWEST)
        lines = Text.from_markup(markup).wrap(self._console, width)
        self._print(*(Text(" " * indent).append_text(line) for line in lines))

    def verbatim(self, text: str, style: str = "", *, indent: int = 0) -> None:
        """Print lines that nothing may fold."""
        self._print(*(Text(" " * indent).append(line, style) for line in text.split("\n")))

    def fits(self, text: str, *, indent: int) -> bool:
        """Whether a line can be read whole; a pipe has no edge."""
        return not self._console.is_terminal or indent + len(text) <= self._console.width

    def check(self) -> None:
        """Raise `ReaderLeft` if so."""
        if self._console.left.is_set():
            raise ReaderLeft

    def wait(self) -> NoReturn:
        """Wait until the reader is gone, then raise `ReaderLeft`."""
        self._console.left.wait()
        raise ReaderLeft

    def _print(self, *lines: Text) -> None:
        for line in lines:
            line.rstrip()
        self._console.print(Text("\n").join(lines), soft_wrap=True)


class _Console(Console):
    """Takes note of a closed pipe. It may be the server's thread that meets it, so nothing is raised here."""

    def __init__(self) -> None:
        super().__init__(highlight=False)
        self.left = Event()

    def on_broken_pipe(self) -> None:
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # what is still buffered would fail again at the interpreter's end
        os.close(nowhere)
        self.left.set()
