"""The console of Windows, through `msvcrt`: it reads from the console itself, whatever stdin is connected to.

NOTE: tested by contract, with a console in software; not yet on Windows itself.
"""

import os
from collections.abc import Callable
from threading import Event
from typing import Protocol, TextIO

from upstile.client._errors import NoMethodAvailable, StepUpCancelled
from upstile.client.prompts._screen import NARROWEST, Above
from upstile.client.words import said

_POLL = 0.05
_LONGEST = 4096
"""Of a line, so that no password is cut: what a terminal itself gives up at."""
_ENTER, _ERASE, _CLEAR, _ESCAPE = "\r\n", "\b\x7f", "\x15", "\x1b"
_INTERRUPT, _END = "\x03", "\x04\x1a"
_FUNCTION = "\x00\xe0"  # the first half of an arrow or function key
_NO_CONSOLE = "\uffff"  # what the console answers when it is gone


class Keys(Protocol):
    """The part of `msvcrt` that is used."""

    def kbhit(self) -> bool:
        """Whether a key waits."""
        ...

    def getwch(self) -> str:
        """The next key, without showing it."""
        ...


class WindowsConsole:
    """The console of this process.

    Args:
        keys: what reads keys; `msvcrt` by default.
        opened: opens the console for writing.
    """

    def __init__(self, keys: Keys | None = None, opened: Callable[[], TextIO] | None = None) -> None:
        self._given = keys
        self._opened = opened or _console

    def write(self, text: str) -> None:
        """Write as it is."""
        with self._open() as console:
            console.write(text)

    def ask(self, prompt: str, cancel: Event, *, hidden: bool, above: Above | None = None) -> str:
        """Write the prompt and read a line."""
        keys = self._keys()
        with self._open() as console:
            if above is not None:
                console.write(f"{above()}\n")
            console.write(prompt)
            console.flush()
            while keys.kbhit():  # what was typed before the question does not answer it
                keys.getwch()
            try:
                return _read_line(keys, console, cancel, hidden=hidden)
            finally:
                console.write("\n")

    def columns(self) -> int:
        """How wide it is; 80 where it does not know."""
        with self._open() as console:
            try:
                return max(os.get_terminal_size(console.fileno()).columns, NARROWEST)
            except (OSError, ValueError):
                return 80

    def _open(self) -> TextIO:
        try:
            return self._opened()
        except OSError as error:
            raise NoMethodAvailable(**said("no-console")) from error

    def _keys(self) -> Keys:
        if self._given is not None:
            return self._given
        import msvcrt  # here, because only Windows has it

        found: Keys = msvcrt  # type: ignore[assignment, unused-ignore]
        return found


def _console() -> TextIO:
    return open("CONOUT$", "w", encoding="utf-8")  # noqa: PTH123 - a device, not a file


def _read_line(keys: Keys, console: TextIO, cancel: Event, *, hidden: bool) -> str:
    """A line as the console's own editing would give it, or `StepUpCancelled`."""
    line = ""
    while not cancel.is_set():
        if not keys.kbhit():
            cancel.wait(_POLL)
            continue
        key = keys.getwch()
        if key in _ENTER:
            return line
        if key in _INTERRUPT + _END + _NO_CONSOLE:
            raise StepUpCancelled(**said("person-cancelled"))
        line = _edited(line, key, keys, console, hidden=hidden)
    raise StepUpCancelled(**said("cancelled"))


def _edited(line: str, key: str, keys: Keys, console: TextIO, *, hidden: bool) -> str:
    if key in _FUNCTION:
        keys.getwch()  # its second half
        return line
    if key in _ERASE or key in _CLEAR + _ESCAPE:
        erased = line[-1:] if key in _ERASE else line
        _show(console, "\b \b" * len(erased), hidden=hidden)
        return line[: len(line) - len(erased)]
    if not key.isprintable() or len(line) >= _LONGEST:
        return line
    _show(console, key, hidden=hidden)
    return line + key


def _show(console: TextIO, text: str, *, hidden: bool) -> None:
    if not hidden:
        console.write(text)
        console.flush()
