"""SQLAlchemy's connections for the rare operations, which wait in threads; none of them waits for ever."""

import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg.abc import PQGen
from psycopg.waiting import Ready
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import ConnectionPoolEntry

from upstile.protocol import UpstileError
from upstile.server._errors import StorageUnavailable
from upstile.server.storage.postgresql import _limits
from upstile.server.storage.postgresql._link import hang_up
from upstile.server.storage.postgresql._refusals import Lost, Refused

RV = TypeVar("RV")
T = TypeVar("T")

_SIZE = 2
"""Connections that are kept; more are opened when more threads work at once."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that gives up on a server that does not answer: a thread that waits cannot be cancelled."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.owner = os.getpid()

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait for the end of what is asked, `ANSWER` seconds and no more."""
        return super().wait(self._bounded(gen), interval)

    def _bounded(self, gen: PQGen[RV]) -> PQGen[RV]:
        until = time.monotonic() + _limits.ANSWER
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready == Ready.NONE and time.monotonic() > until:
                    self.pgconn.finish()
                    raise psycopg.OperationalError("no answer in time")
                wanted = gen.send(ready)
        except StopIteration as done:
            result: RV = done.value
            return result


class Engine:
    """An engine of this process.

    Args:
        parameters: libpq's.
        guarded: whether the server ends what takes too long; not for what is done once.
    """

    def __init__(self, parameters: Mapping[str, Any], *, guarded: bool = True) -> None:
        self._parameters = parameters
        self.owner = os.getpid()
        self.engine = sa.create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            hide_parameters=True,
            isolation_level="READ COMMITTED",
            use_native_hstore=False,
            pool_size=_SIZE,
            max_overflow=-1,
            pool_pre_ping=True,
        )
        self._made: set[BoundedConnection] = set()
        weakref.finalize(self, _hang_up_all, self._made)  # psycopg warns of connections that nobody closes
        if guarded:
            event.listen(self.engine, "begin", _guard)  # pyright: ignore[reportUnknownMemberType]
        event.listen(self.engine, "handle_error", _note)  # pyright: ignore[reportUnknownMemberType]
        event.listen(self.engine, "close", self._forget)  # pyright: ignore[reportUnknownMemberType]

    def close(self) -> None:
        """Hang up; in a forked child without a word to the server."""
        if self.owner == os.getpid():
            self.engine.dispose()
            return
        _hang_up_all(self._made)
        self.engine.dispose(close=False)

    def _connect(self) -> BoundedConnection:
        made = BoundedConnection.connect("", **self._parameters)
        self._made.add(made)
        return made

    def _forget(self, connection: BoundedConnection, _: ConnectionPoolEntry) -> None:
        self._made.discard(connection)


def _guard(connection: sa.Connection) -> None:
    connection.exec_driver_sql("; ".join(_limits.GUARDS))


def _hang_up_all(made: set[BoundedConnection]) -> None:
    while made:
        connection = made.pop()
        hang_up(connection.pgconn, connection.owner)


class _Last(threading.local):
    reason: Lost | Refused | None = None


_last = _Last()
"""What PostgreSQL said last in this thread: the ledger's own errors leave that out."""


def _note(context: ExceptionContext) -> None:
    error = context.original_exception
    if isinstance(error, psycopg.Error):
        _last.reason = Refused(error.sqlstate) if error.sqlstate else Lost(str(error))


def explained(work: Callable[[], T], *, at_start: bool = False) -> T:
    """Do some work with an engine; what goes wrong is said as a sentence.

    Args:
        work: what to do.
        at_start: what does not mend itself is a `ConfigurationError`.
    """
    _last.reason = None
    try:
        return work()
    except StorageUnavailable as error:
        failure: UpstileError = StorageUnavailable(str(error))
    if _last.reason is not None:
        failure = _last.reason.at_start() if at_start else _last.reason.unavailable()
    raise failure
