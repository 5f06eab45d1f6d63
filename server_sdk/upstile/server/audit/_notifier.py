"""Calls the deployment's hook so that no reply waits long for it, whatever it does."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

from upstile.server._hook import Hook
from upstile.server.audit._event import SecurityEvent
from upstile.server.audit._kinds import EventKind
from upstile.server.storage import User

Notify = Callable[[SecurityEvent], Awaitable[None] | None]
"""The deployment's hook. A plain function is called in a thread of its own, a coroutine function on the event loop. A
reply waits for it for a second at most; an error in it is logged and changes nothing."""

PATIENCE = 1.0
"""Seconds that a reply waits for the hook. While a call of it is later than that, replies do not wait at all."""
MOST = 100
"""Calls of the hook under way, and of those for changes as many again; what comes beyond is told to the log only."""
MOST_EACH = 10
"""Of one user, of either, those that wait included: nobody can keep the hook from hearing of others, or of a change by
making noise before it."""
MOST_WAITING = 10_000
"""Changes that wait for a place. Other events do not wait."""
_CHANGES: frozenset[EventKind] = frozenset(
    {
        "authenticator-added",
        "authenticator-removed",
        "authenticator-closed",
        "authenticator-opened",
        "authenticator-disabled",
        "sign-count-went-back",
        "device-known",
        "recovery-codes-regenerated",
        "restore-asked",
        "account-restored",
        "user-unlocked",
        "enrolment-code-issued",
        "restore-cancelled",
        "restore-code-sent",
        "sessions-ended",
        "user-forgotten",
    }
)
"""What changes who may come in."""

_log = logging.getLogger("upstile.server.audit")


class _Room:
    """Calls of the hook for events of one sort.

    Args:
        most_waiting: how many more may wait for their turn.
    """

    def __init__(self, most_waiting: int) -> None:
        self.under_way: dict[asyncio.Task[None], User | None] = {}
        self.waiting: deque[SecurityEvent] = deque()
        self._most_waiting = most_waiting

    @property
    def is_busy(self) -> bool:
        """Whether another call would have to wait."""
        return len(self.under_way) >= MOST

    def takes(self, user: User | None) -> bool:
        """Whether one more of a user may be called, or wait."""
        own = [*self.under_way.values(), *(event.user for event in self.waiting)].count(user)
        return own < MOST_EACH and not (self.is_busy and len(self.waiting) >= self._most_waiting)


class Notifier:
    """Calls a hook.

    Args:
        hook: the deployment's.

    Attributes:
        dropped: events that the hook was not told, because too many calls of it were under way.
    """

    def __init__(self, hook: Notify) -> None:
        self._hook = Hook(hook, "upstile notify")
        self._changes, self._others = _Room(MOST_WAITING), _Room(0)
        self._late: set[asyncio.Task[None]] = set()
        self.dropped = 0

    async def __call__(self, event: SecurityEvent) -> None:
        """Tell the hook, and wait for it while it is quick."""
        room = self._changes if event.kind in _CHANGES else self._others
        if not room.takes(event.user):
            self.dropped += 1
            _log.error("the notify hook is too slow: %s was not told to it", event.kind)
            return
        if room.is_busy:
            room.waiting.append(event)
            return
        task = self._begin(room, event)
        if any(not late.done() for late in self._late):
            return
        await asyncio.wait({task}, timeout=PATIENCE)
        if not task.done():
            self._late.add(task)
            _log.error("the notify hook takes longer than %.0f s: replies do not wait for it", PATIENCE)

    def _begin(self, room: _Room, event: SecurityEvent) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(self._call(event))
        room.under_way[task] = event.user
        task.add_done_callback(partial(self._done, room))
        return task

    def _done(self, room: _Room, task: "asyncio.Task[None]") -> None:
        del room.under_way[task]
        self._late.discard(task)
        if room.waiting and not room.is_busy:
            self._begin(room, room.waiting.popleft())

    async def _call(self, event: SecurityEvent) -> None:
        try:
            await self._hook(event)
        except Exception:
            _log.exception("the notify hook failed")
