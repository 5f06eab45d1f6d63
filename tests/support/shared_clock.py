"""A clock that the processes of a test share."""

import struct
from mmap import mmap
from pathlib import Path
from time import time

from support.wire_driver import NOON

_form = struct.Struct("=d?")


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
