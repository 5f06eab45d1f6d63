"""Just enough of HTTP/1.1 to put load on a server: connections that are kept alive, and replies with a length."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from time import monotonic
from typing import NamedTuple, cast

IDLE = 4.0
"""Seconds after which an idle connection is not used again; uvicorn closes it after five."""


class Reply(NamedTuple):
    """A response; how long it took, in seconds."""

    status: int
    body: bytes
    seconds: float


class Connection(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._waiting: asyncio.Future[Reply] | None = None
        self._sent = 0.0
        self._loop = asyncio.get_running_loop()
        self.used = 0.0

    @property
    def is_usable(self) -> bool:
        """Whether another request can go this way."""
        return self._transport is not None and self._waiting is None and monotonic() - self.used < IDLE

    async def exchange(self, request: bytes, patience: float) -> Reply:
        """Send a request and wait for its reply.

        Raises:
            TimeoutError: there is none within so many seconds.
            ConnectionError: the connection broke.
        """
        if self._transport is None:
            raise ConnectionError("the connection was closed")
        self._waiting = self._loop.create_future()
        self._sent = monotonic()
        self._transport.write(request)
        try:
            async with asyncio.timeout(patience):
                return await self._waiting
        finally:
            self.used = monotonic()
            self._waiting = None

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's word that it is open."""
        # NOTE: not checked: uvloop's transports are none of asyncio's classes.
        self._transport, self.used = cast(asyncio.Transport, transport), monotonic()

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio's word that it is closed."""
        self._transport = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError("the connection broke"))

    def data_received(self, data: bytes) -> None:
        """A piece of a reply."""
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator or len(body) < _length(head):
            return
        self._buffer = b""
        if self._waiting is not None and not self._waiting.done():
            reply = Reply(int(head[9:12]), body, monotonic() - self._sent)
            self._waiting.set_result(reply)


def _length(head: bytes) -> int:
    """What `content-length` says; every reply of the server has one."""
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0])


class Connections:
    """Connections to one port, as many as are needed at once; the one used last goes first."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Connection] = []

    async def warm(self, count: int) -> None:
        """Have some open before the clock runs."""
        self._idle += [await self._open() for _ in range(count)]

    async def take(self) -> Connection:
        """An idle connection, or a new one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable:
                return connection
            connection.close()
        return await self._open()

    @contextmanager
    def returning(self, connection: Connection) -> Generator[Connection]:
        """Keep a connection for the next who asks, unless something went wrong."""
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)

    def close(self) -> None:
        """Hang up all that are idle."""
        for connection in self._idle:
            connection.close()

    async def _open(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, "127.0.0.1", self._port)
        return connection
