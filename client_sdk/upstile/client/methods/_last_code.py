"""When the last one-time code was sent: it is good once, and the authenticator app goes on showing it for a while."""

from collections.abc import Callable
from threading import Lock
from time import time

PERIOD = 30
"""Seconds for which an authenticator app shows a code (RFC 6238 §4.1)."""


class LastCode:
    """Remembers that the code of this moment was used, so that the person is told when the next one is there.

    Args:
        clock: the time in epoch seconds.
    """

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self._clock = clock
        self._lock = Lock()
        self._step: int | None = None

    def sent(self) -> None:
        """The code of this moment is on its way to the server."""
        with self._lock:
            self._step = int(self._clock() // PERIOD)

    def forget(self) -> None:
        """It was not used: the server did not take it, or it belonged to another seed."""
        with self._lock:
            self._step = None

    def wait(self) -> float | None:
        """Seconds until the app shows another code than the one that was used; `None` if it does already."""
        now = self._clock()
        with self._lock:
            return PERIOD - now % PERIOD if self._step == int(now // PERIOD) else None
