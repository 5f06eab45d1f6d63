"""The connections of a store: some for each event loop, since a connection cannot change over to another one.

Not psycopg's own pool: it belongs to one event loop, has tasks of its own there, and hides why it cannot connect.
"""

import asyncio
import os
import threading
import weakref
from asyncio import AbstractEventLoop
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from psycopg.pq.abc import PGresult

from upstile.server._errors import StorageUnavailable
from upstile.server.storage.postgresql import _limits
from upstile.server.storage.postgresql._link import Link
from upstile.server.storage.postgresql._refusals import BUSY, SLOW, Lost, Refused

T = TypeVar("T")
Then = Callable[[Link, list[PGresult]], Awaitable[T]]
"""What is done with the results of the first message: it may ask more."""


class Pool:
    """Lends connections, one for each transaction, and opens them when they are needed.

    Args:
        parameters: libpq's.
        size: the most connections of one event loop.
    """

    def __init__(self, parameters: Mapping[str, Any], size: int) -> None:
        self._parameters = parameters
        self._size = size
        self._places: dict[AbstractEventLoop, _Place] = {}
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._is_open = False
        weakref.finalize(self, _close_all, self._places)

    def open(self) -> None:
        """Lend from now on."""
        self._is_open = True

    def close(self) -> None:
        """Hang up. What is lent now is closed when it comes back."""
        self._is_open = False
        _close_all(self._places)

    def sweep(self) -> None:
        """Hang up what belonged to event loops that are closed."""
        with self._lock:
            for loop in [loop for loop in self._places if loop.is_closed()]:
                self._places.pop(loop).close()

    async def run(self, first: str, then: Then[T], *, locks: Sequence[int] = (), again: bool = True) -> T:
        """Send a message and go on with its results, on one connection and within `ANSWER` seconds.

        Args:
            first: statements. Sent again on a new connection when the connection turns out to be dead.
            then: what comes next.
            locks: the numbers of the locks that `first` takes, in order. Of this event loop one at a time waits for
                each in the database, so that a user who is under attack does not hold all connections.
            again: `False` where `first` must not be sent twice: it commits.

        Raises:
            StorageUnavailable: anything that kept it from ending well. What was sent last may have been done.
        """
        place = self._place()
        try:
            async with asyncio.timeout(_limits.ANSWER), place.turn(locks), place.slots:
                link, results = await self._asked(place, first, again)
                try:
                    return await then(link, results)
                finally:
                    await self._give_back(place, link)
        except TimeoutError:
            failure = StorageUnavailable(SLOW)
        except (Lost, Refused) as error:
            failure = error.unavailable()
        # Raised out here, so that the driver's error is not its context: PostgreSQL quotes values in its own.
        raise failure

    async def _asked(self, place: "_Place", first: str, again: bool) -> tuple[Link, list[PGresult]]:
        link = place.rested()
        if link is not None:
            try:
                return link, await self._ask(place, link, first)
            except Lost:
                if not again:
                    raise
        link = await Link.open(self._parameters)
        return link, await self._ask(place, link, first)

    async def _ask(self, place: "_Place", link: Link, first: str) -> list[PGresult]:
        try:
            return await link.ask(first)
        except Refused:
            await self._give_back(place, link)
            raise

    async def _give_back(self, place: "_Place", link: Link) -> None:
        if not link.at_rest and not link.closed:
            try:
                await link.ask("ROLLBACK")
            except (Lost, Refused):
                link.close()
        if link.at_rest and self._is_open:
            place.idle.append(link)
        else:
            link.close()

    def _place(self) -> "_Place":
        if self._owner != os.getpid():
            self._start_anew()
        if not self._is_open:
            raise StorageUnavailable("the store is closed")
        loop = asyncio.get_running_loop()
        place = self._places.get(loop)
        if place is None:
            self.sweep()
            with self._lock:
                place = self._places.setdefault(loop, _Place(self._size))
        return place

    def _start_anew(self) -> None:
        """In a forked child: the connections are the parent's, and so may be whoever held the lock."""
        self._lock = threading.Lock()
        self._owner = os.getpid()
        _close_all(self._places)
        self._places.clear()


class _Place:
    """What belongs to one event loop."""

    def __init__(self, size: int) -> None:
        self.idle: list[Link] = []
        self.slots = asyncio.Semaphore(size)
        self._turns: weakref.WeakValueDictionary[int, asyncio.Lock] = weakref.WeakValueDictionary()

    def rested(self) -> Link | None:
        """A connection that was used before and still lives: the last one, so that few of them are used."""
        while self.idle:
            link = self.idle.pop()
            if link.has_lived():
                return link
            link.close()
        return None

    @asynccontextmanager
    async def turn(self, numbers: Sequence[int]) -> AsyncGenerator[None]:
        """Wait until nobody else of this event loop has one of these numbers."""
        held: list[asyncio.Lock] = []
        try:
            try:
                async with asyncio.timeout(_limits.LOCK):
                    for number in numbers:
                        lock = self._turns.get(number) or self._turns.setdefault(number, asyncio.Lock())
                        await lock.acquire()
                        held.append(lock)
            except TimeoutError:
                raise StorageUnavailable(BUSY) from None
            yield
        finally:
            for lock in held:
                lock.release()

    def close(self) -> None:
        while self.idle:
            self.idle.pop().close()


def _close_all(places: "Mapping[AbstractEventLoop, _Place]") -> None:
    for place in list(places.values()):
        place.close()
