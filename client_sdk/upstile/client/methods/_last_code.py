"""When the last one-time code was sent: it is good once, and the authenticator app goes on showing it for a while."""

from collections.abc import Callable
from hmac import compare_digest
from threading import Lock
from time import time

PERIOD = 30
"""Seconds for which an authenticator app shows a code (RFC 6238 §4.1)."""


class LastCode:
    """Remembers that the code of this moment was used, so that the person is told when the next one is there.

    Also which one it was, for as long as a server could take it: to send it again would only cost a try.

    Args:
        clock: the time in epoch seconds.
    """

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self._clock = clock
        self._lock = Lock()
        self._step: int | None = None
        self._code = ""

    def sent(self, code: str) -> None:
        """The code of this moment is on its way to the server."""
        with self._lock:
            self._step, self._code = int(self._clock() // PERIOD), code

    def was(self, code: str) -> bool:
        """Whether it is the one that was sent last, in this period or the one before (RFC 6238 §5.2)."""
        with self._lock:
            recent = self._step is not None and int(self._clock() // PERIOD) - self._step <= 1
            return recent and compare_digest(self._code.encode(), code.encode())

    def forget(self) -> None:
        """It was not used: the server did not take it, or it belonged to another seed."""
        with self._lock:
            self._step, self._code = None, ""

    def wait(self) -> float | None:
        """Seconds until the app shows another code than the one that was used; `None` if it does already."""
        now = self._clock()
        with self._lock:
            return PERIOD - now % PERIOD if self._step == int(now // PERIOD) else None
