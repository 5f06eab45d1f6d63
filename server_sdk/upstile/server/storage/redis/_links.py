"""Connections to Redis. They belong to one event loop and to one process, so there is one `Link` for each.

A deployment may be used from several event loops (threads, `asyncio.run` more than once), and its process may fork.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from upstile.server._errors import StorageUnavailable
from upstile.server.storage._records import OneTimeKey
from upstile.server.storage.redis._address import Address
from upstile.server.storage.redis._refusals import refusal
from upstile.server.storage.redis._script import Command
from upstile.server.storage.redis._turns import Turns
from upstile.server.storage.redis._values import ABSENT

_SEEN = 2048


class Link:
    """The connections of one event loop.

    Args:
        address: where Redis is.
        timeout: seconds for connecting, for an answer, and for a free connection.
        connections: how many at most.
    """

    def __init__(self, address: Address, timeout: float, connections: int) -> None:
        self.turns = Turns(timeout)
        self.ending: AsyncGenerator[None] | None = None
        self._address = address
        self._timeout = timeout
        self._free = asyncio.Semaphore(connections)
        self._seen: dict[OneTimeKey, bytes] = {}
        # NOTE: no retries of redis-py. A script whose reply was lost may have run; sent again it would find what it
        # wrote itself, and the caller would read that as "somebody else was first".
        self._redis: Redis = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
            address.url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            **address.tls,
        )

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        """One round trip on one connection. An error that Redis answers with stands in the list.

        Raises:
            StorageUnavailable: there is no answer; what was sent may have been done.
        """
        await self._take_one()
        try:
            return await (self._send_one(commands[0]) if len(commands) == 1 else self._send_together(commands))
        except (RedisError, OSError) as error:
            # `from None`, unless `refusal` has set a cause: what Redis says may repeat a password.
            explained = refusal(error, self._address.shown, self._timeout)
            raise explained from explained.__cause__
        finally:
            self._free.release()

    async def _send_one(self, command: Command) -> list[Any]:
        try:
            return [await self._redis.execute_command(*command)]  # type: ignore[no-untyped-call]  # pyright: ignore[reportUnknownMemberType]
        except ResponseError as error:
            return [error]

    async def _send_together(self, commands: Sequence[Command]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)  # pyright: ignore[reportUnknownMemberType]
        return await pipeline.execute(raise_on_error=False)

    async def _take_one(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(self._timeout):
                await self._free.acquire()
        except TimeoutError:
            raise StorageUnavailable(
                f"all connections to the Redis at {self._address.shown} were in use for {self._timeout:g} s"
            ) from None

    def last_seen(self, keys: Sequence[OneTimeKey]) -> dict[OneTimeKey, bytes]:
        """What these keys held when this event loop last looked; a guess, and often a right one."""
        return {key: self._seen.get(key, ABSENT) for key in keys}

    def note(self, found: dict[OneTimeKey, bytes]) -> None:
        """Remember what keys hold."""
        for key, raw in found.items():
            self._seen.pop(key, None)
            if raw != ABSENT:
                self._seen[key] = raw
        while len(self._seen) > _SEEN:
            del self._seen[next(iter(self._seen))]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


class Links:
    """One `Link` for each event loop that uses the store.

    Args:
        address, timeout, connections: of each link.
    """

    def __init__(self, address: Address, timeout: float, connections: int) -> None:
        self._address = address
        self._timeout = timeout
        self._connections = connections
        self._lock = Lock()
        self._links: dict[asyncio.AbstractEventLoop, Link] = {}
        self._process = os.getpid()
        self._inherited: list[dict[asyncio.AbstractEventLoop, Link]] = []

    async def here(self) -> Link:
        """The link of the running event loop."""
        loop = asyncio.get_running_loop()
        return self._links.get(loop) or await self._made(loop)

    async def aclose(self) -> None:
        """Close all of them; those of other event loops in these."""
        here = asyncio.get_running_loop()
        with self._lock:
            self._leave_the_parents()
            links, self._links = self._links, {}
        for loop, link in links.items():
            if loop is here:
                await _end(link)
            elif loop.is_running():
                with suppress(TimeoutError):  # an event loop that is blocked closes them when it ends
                    async with asyncio.timeout(self._timeout):
                        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_end(link), loop))

    async def _made(self, loop: asyncio.AbstractEventLoop) -> Link:
        link = Link(self._address, self._timeout, self._connections)
        link.ending = self._until_the_loop_ends(loop, link)
        with self._lock:
            self._leave_the_parents()
            for gone in [known for known in self._links if known.is_closed()]:
                del self._links[gone]
            self._links[loop] = link
        await anext(link.ending)
        return link

    def _leave_the_parents(self) -> None:
        """After a fork: keep the parent's links and never touch them, because the parent uses the same sockets."""
        if self._process != os.getpid():
            self._inherited.append(self._links)
            self._links, self._process = {}, os.getpid()

    async def _until_the_loop_ends(self, loop: asyncio.AbstractEventLoop, link: Link) -> AsyncGenerator[None]:
        """A generator that is never finished: an event loop that ends closes those, and with it the connections."""
        try:
            yield
        finally:
            with self._lock:
                if self._links.get(loop) is link:
                    del self._links[loop]
            await link.aclose()


async def _end(link: Link) -> None:
    if link.ending is not None:
        await link.ending.aclose()
