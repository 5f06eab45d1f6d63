"""Calls the deployment's hook so that no reply waits long for it, whatever it does."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

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
"""Of one user, of either: nobody can keep the hook from hearing of others, or of a change by making noise before it."""
_CHANGES: frozenset[EventKind] = frozenset(
    {
        "authenticator-added",
        "authenticator-removed",
        "authenticator-closed",
        "authenticator-opened",
        "authenticator-disabled",
        "enrolment-code-issued",
        "sessions-ended",
        "user-forgotten",
    }
)
"""What changes who may come in."""

_log = logging.getLogger("upstile.server.audit")


class Notifier:
    """Calls a hook.

    Args:
        hook: the deployment's.

    Attributes:
        dropped: events that the hook was not told, because too many calls of it were under way.
    """

    def __init__(self, hook: Notify) -> None:
        self._hook = Hook(hook, "upstile notify")
        self._under_way: dict[asyncio.Task[None], tuple[bool, User | None]] = {}
        self._late: set[asyncio.Task[None]] = set()
        self.dropped = 0

    async def __call__(self, event: SecurityEvent) -> None:
        """Tell the hook, and wait for it while it is quick."""
        place = event.kind in _CHANGES, event.user
        if not self._has_room(*place):
            self.dropped += 1
            _log.error("the notify hook is too slow: %s was not told to it", event.kind)
            return
        task = asyncio.get_running_loop().create_task(self._call(event))
        self._under_way[task] = place
        task.add_done_callback(self._done)
        if any(not late.done() for late in self._late):
            return
        await asyncio.wait({task}, timeout=PATIENCE)
        if not task.done():
            self._late.add(task)
            _log.error("the notify hook takes longer than %.0f s: replies do not wait for it", PATIENCE)

    def _has_room(self, change: bool, user: User | None) -> bool:
        alike = [whose for is_change, whose in self._under_way.values() if is_change is change]
        return len(alike) < MOST and alike.count(user) < MOST_EACH

    def _done(self, task: "asyncio.Task[None]") -> None:
        del self._under_way[task]
        self._late.discard(task)

    async def _call(self, event: SecurityEvent) -> None:
        try:
            await self._hook(event)
        except Exception:
            _log.exception("the notify hook failed")
