"""Waiting for a file that somebody else is writing, without holding up the event loop; and what an error means."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Generator
from random import uniform
from typing import ParamSpec, TypeVar

from upstile.server._errors import StorageUnavailable
from upstile.server.storage._meanings import meaning

P = ParamSpec("P")
T = TypeVar("T")
PATIENCE = 5.0
"""Seconds for which a locked file is tried again."""
_SHORTEST, _LONGEST, _GROWTH = 0.0005, 0.02, 1.5


async def tried(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Do some work; while the file is locked, let others go on and try again.

    Raises:
        StorageUnavailable: the file stays locked, or SQLite refuses.
    """
    pauses = None
    while True:
        try:
            return work(*arguments, **named)
        except UnicodeEncodeError:
            raise StorageUnavailable("SQLite cannot keep a text that is no Unicode") from None
        except sqlite3.Error as error:
            pauses = pauses or _pauses()
            pause = next(pauses, None) if is_locked(error) else None
            if pause is None:
                raise meaning(error) from error
        await asyncio.sleep(pause)


def waited(work: Callable[[], T]) -> T:
    """The same for a thread, which may wait."""
    pauses = _pauses()
    while True:
        try:
            return work()
        except sqlite3.Error as error:
            pause = next(pauses, None) if is_locked(error) else None
            if pause is None:
                raise meaning(error) from error
        time.sleep(pause)


def is_locked(error: sqlite3.Error) -> bool:
    """Whether somebody else has the file, so that a later try may succeed."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _pauses() -> Generator[float]:
    """Short pauses that grow; of different lengths, so that those who wait do not meet again and again."""
    end = time.monotonic() + PATIENCE
    pause = _SHORTEST
    while time.monotonic() < end:
        yield uniform(pause / 2, pause)  # noqa: S311 - no secret
        pause = min(pause * _GROWTH, _LONGEST)
