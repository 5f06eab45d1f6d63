"""Tasks of one event loop that update the same key go one after the other.

Without turns, sixteen tasks that write one key by compare-and-set spend most of their tries on each other.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from upstile.server._errors import StorageUnavailable
from upstile.server.storage._records import OneTimeKey


class Turns:
    """Whose turn it is, for each key.

    Args:
        patience: seconds that a task waits for its turn.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        # A lock lives as long as a task that holds it or waits for it.
        self._locks: WeakValueDictionary[OneTimeKey, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, keys: Iterable[OneTimeKey]) -> AsyncGenerator[None]:
        """Alone with these keys, in this event loop.

        Raises:
            StorageUnavailable: too many tasks are before this one.
        """
        locks = [self._locks.setdefault(key, asyncio.Lock()) for key in sorted(keys)]
        held: list[asyncio.Lock] = []
        try:
            if any(lock.locked() for lock in locks):
                await self._wait(locks, held)
            else:
                await _take(locks, held)
            yield
        finally:
            for lock in held:
                lock.release()

    async def _wait(self, locks: list[asyncio.Lock], held: list[asyncio.Lock]) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await _take(locks, held)
        except TimeoutError:
            raise StorageUnavailable(
                f"other updates of the same record took longer than {self._patience:g} s"
            ) from None


async def _take(locks: list[asyncio.Lock], held: list[asyncio.Lock]) -> None:
    for lock in locks:
        await lock.acquire()
        held.append(lock)
