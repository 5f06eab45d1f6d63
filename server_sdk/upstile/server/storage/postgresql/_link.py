"""One connection, spoken to in whole messages: some statements go out together, all their results come back.

psycopg's cursors send one statement at a time or cost more time than the server needs to answer, so this uses libpq's
own calls (`psycopg.pq`). A message of several statements is still one statement after the other for the server, each
with a view of the data of its own.
"""

import asyncio
import os
import select
from collections.abc import Mapping
from typing import Any, Self

import psycopg
from psycopg import pq
from psycopg.pq.abc import PGconn, PGresult

from upstile.server.storage.postgresql._refusals import Lost, Refused


def hang_up(pgconn: PGconn, owner: int) -> None:
    """Close a connection; in a forked child without a word to the server, since the parent still speaks with it.

    Args:
        pgconn: the connection.
        owner: the process that opened it.
    """
    if os.getpid() != owner and pgconn.status == pq.ConnStatus.OK:
        with open(os.devnull, "r+b", buffering=0) as nothing:  # noqa: PTH123
            os.dup2(nothing.fileno(), pgconn.socket)
    pgconn.finish()


class Link:
    """A connection that belongs to one event loop.

    Args:
        connection: open, without a transaction.
    """

    def __init__(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._owner = os.getpid()

    @classmethod
    async def open(cls, parameters: Mapping[str, Any]) -> Self:
        """Connect.

        Args:
            parameters: libpq's.

        Raises:
            Lost: there is no way to the server, or it lets us not in.
        """
        try:
            connection = await psycopg.AsyncConnection.connect(autocommit=True, **parameters)
        except psycopg.Error as error:
            why = str(error)
        else:
            return cls(connection)
        raise Lost(why)

    @property
    def at_rest(self) -> bool:
        """Whether it is open and in no transaction."""
        return self._pgconn.transaction_status == pq.TransactionStatus.IDLE

    @property
    def closed(self) -> bool:
        """Whether it is gone."""
        return self._pgconn.status == pq.ConnStatus.BAD

    def has_lived(self) -> bool:
        """Whether the server has said nothing while nobody asked: it only does to say goodbye."""
        return self.at_rest and not _is_readable(self._pgconn.socket)

    def close(self) -> None:
        """Hang up."""
        hang_up(self._pgconn, self._owner)

    async def ask(self, *statements: str) -> list[PGresult]:
        """Send statements in one message and wait for the results of all; the first that is refused ends them.

        A wait that is given up in the middle closes the connection: nobody could tell its next reply from this one.

        Raises:
            Refused: the server refused a statement.
            Lost: the connection broke; what was sent may have been done.
        """
        try:
            self._pgconn.send_query("; ".join(statements).encode())
            await self._sent()
            results = await self._results()
            lost = "the server ended the connection" if self.closed else None
        except psycopg.Error as error:
            lost, results = str(error), []
        except BaseException:
            self.close()
            raise
        if lost is not None:
            self.close()
            raise Lost(lost)
        if results and results[-1].status == pq.ExecStatus.FATAL_ERROR:
            code = results[-1].error_field(pq.DiagnosticField.SQLSTATE) or b"?"
            raise Refused(code.decode())
        return results

    async def _sent(self) -> None:
        while self._pgconn.flush():
            await self._ready(writing=True)
            self._pgconn.consume_input()

    async def _results(self) -> list[PGresult]:
        results: list[PGresult] = []
        while True:
            while self._pgconn.is_busy():
                await self._ready()
                self._pgconn.consume_input()
            result = self._pgconn.get_result()
            if result is None:
                return results
            results.append(result)

    async def _ready(self, *, writing: bool = False) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        socket = self._pgconn.socket
        loop.add_reader(socket, _wake, ready)
        if writing:
            loop.add_writer(socket, _wake, ready)
        try:
            await ready
        finally:
            loop.remove_reader(socket)
            if writing:
                loop.remove_writer(socket)


def _is_readable(socket: int) -> bool:
    if not hasattr(select, "poll"):  # on Windows, where select() has no limit on numbers
        return bool(select.select([socket], [], [], 0)[0])
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))


def _wake(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)
