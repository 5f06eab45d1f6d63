"""What stays closed for a while after a reset, and until when (docs/decisions/0021).

A reset is an entry of the log, written in the transaction that resets. Tokens say it (`settled_at`), so that guards
need not ask: all tokens of before have ended with the reset.
"""

from collections.abc import Sequence
from typing import NamedTuple

from upstile.server.audit import Events, SecurityEvent
from upstile.server.storage import DurableStore, Row, Settling, User


class CoolingOff:
    """Closes what asks for settled authenticators, and tells the owner.

    Args:
        seconds: for how long; `None`: nothing is closed, and nothing noted.
        durable: has the log.
        events: is told.
    """

    def __init__(self, seconds: int | None, durable: DurableStore, events: Events) -> None:
        self._seconds = seconds
        self._durable = durable
        self._events = events

    async def until(self, user: User, now: float) -> int | None:
        """Until when (epoch seconds) a user has to wait. Whoever asks has read the account before, not after."""
        return None if self._seconds is None else await self._durable.settled_at(user, now)

    def begun(self, user: User, now: float, client_id: str | None = None) -> "Begun":
        """What a reset at `now` (epoch seconds) writes in its transaction, and tells after it.

        Args:
            user: who is reset.
            now: epoch seconds.
            client_id: the app that does it, where one does.
        """
        if self._seconds is None:
            return Begun(None, ())
        until = int(now) + self._seconds
        event = SecurityEvent(kind="cooling-off-begun", user=user, at=now, client_id=client_id, detail=str(until))
        return Begun(event, (Settling(user.subject, until), *self._events.rows(event)))

    def unannounced(self, user: User, now: float) -> Sequence[Row]:
        """What is noted where a user is forgotten: whoever has the name next waits. Nobody is left to be told."""
        return () if self._seconds is None else (Settling(user.subject, int(now) + self._seconds),)

    async def tell(self, begun: "Begun") -> None:
        """Tell of a reset that was written."""
        if begun.event is not None:
            await self._events.tell(begun.event, written=True)


class Begun(NamedTuple):
    """The begin of a cooling-off: the event, and the rows that are written with the reset."""

    event: SecurityEvent | None
    rows: Sequence[Row]
