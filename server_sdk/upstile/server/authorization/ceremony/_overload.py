"""No new ceremonies while the event loop is late: those under way end in time, instead of all being slow."""

import logging
from asyncio import AbstractEventLoop, get_running_loop

_log = logging.getLogger("upstile.server")

TICK = 0.010
"""Seconds from one look at the loop to the next."""
LATE = 0.030
"""A look that comes so many seconds late may be the first of many: from then on"""
STRICT_FOR = 1.0
"""for so many seconds"""
STRICT = 0.010
"""a look that is so many seconds late shuts the door, and begins that time anew;"""
IN_TIME = 0.005
"""one that is less late than this opens it again."""
NEEDED_FOR = 1.0
"""Seconds after the last start for which the loop is looked at: fewer starts than one a second overload nobody."""

TOLD_EVERY = 60.0
"""Seconds in which the log says at most once that the door is shut."""


class Overload:
    """Whether a ceremony may start.

    A timer of the running loop measures how late the loop is. It runs only while ceremonies are started. One late look
    shuts nothing: a handler of the application that holds the loop for long, such as one that hashes a password, or a
    machine that was suspended, makes one look late and the next one in time. More work than the process can do makes
    all of them late. Then less is too much: or the queue would grow to `LATE` each time that the door is opened, and
    everybody's calls would wait in it.
    """

    def __init__(self) -> None:
        self._loop: AbstractEventLoop | None = None
        self._looking = False
        self._shut = False
        self._strict_until = 0.0
        self._due = 0.0
        self._asked = 0.0
        self._told = -TOLD_EVERY

    def lets_in(self) -> bool:
        """Whether a start is let in; asked at each start, from within the loop that serves it."""
        loop = get_running_loop()
        if loop is not self._loop or not self._looking:
            self._loop, self._looking, self._shut, self._strict_until = loop, True, False, 0.0
            self._look_again(loop)
        now = self._asked = loop.time()
        if now < self._strict_until and now - self._due > STRICT:
            self._shut = True  # the look is overdue: many starts may be waiting before it
        return not self._shut

    def _look_again(self, loop: AbstractEventLoop) -> None:
        self._due = loop.time() + TICK
        loop.call_at(self._due, self._look, loop)

    def _look(self, loop: AbstractEventLoop) -> None:
        if loop is not self._loop:
            return  # another loop serves now
        now = loop.time()
        late = now - self._due
        is_strict = now - late < self._strict_until
        if late > (STRICT if is_strict else LATE):
            self._strict_until = now + STRICT_FOR
            if is_strict:
                self._shut = True
                self._tell(now, late)
        elif late < IN_TIME:
            self._shut = False
        if self._shut or now - self._asked < NEEDED_FOR:
            self._look_again(loop)
        else:
            self._looking = False

    def _tell(self, now: float, late: float) -> None:
        if now - self._told >= TOLD_EVERY:
            self._told = now
            _log.warning("no ceremony starts while the event loop is late: just now by %.0f ms", late * 1000)
