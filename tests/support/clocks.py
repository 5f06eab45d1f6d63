"""Clocks that a test moves: one of its own process, one that several processes share."""

import struct
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from time import time
from typing import Protocol

NOON = 1_800_000_000.0
_form = struct.Struct("=d?")


class Clock(Protocol):
    """A clock that can be set; epoch seconds."""

    @property
    def now(self) -> float:
        """The time."""
        ...

    @now.setter
    def now(self, now: float) -> None: ...

    def __call__(self) -> float:
        """The time."""
        ...


@dataclass
class SettableClock:
    """A clock that stands still until a test moves it."""

    now: float = NOON

    def __call__(self) -> float:
        return self.now


class SharedClock:
    """A clock in a file: it stands still or goes with the time of day, and whoever sets it sets it for all.

    Args:
        path: the file; it is made if it is not there.
        goes: for a new one: whether it goes, from the time of day on. Otherwise it stands at noon until it is set.
    """

    def __init__(self, path: Path, *, goes: bool = False) -> None:
        if not path.exists():
            path.write_bytes(_form.pack(0.0 if goes else NOON, goes))
        with path.open("r+b") as file:
            self._memory = mmap(file.fileno(), 0)
        self._goes: bool = _form.unpack_from(self._memory)[1]
        self.path = path

    def __call__(self) -> float:
        value: float = _form.unpack_from(self._memory)[0]
        return time() + value if self._goes else value

    @property
    def now(self) -> float:
        """Epoch seconds."""
        return self()

    @now.setter
    def now(self, now: float) -> None:
        _form.pack_into(self._memory, 0, now - time() if self._goes else now, self._goes)
