"""Connections as this package needs them: one kind for SQLite, one for PostgreSQL."""

import os
import sqlite3
import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from upstile.server._errors import ConfigurationError

BEGIN = "upstile_begin"
"""The execution option that says how SQLite begins a transaction: `IMMEDIATE`, the default, or `DEFERRED`."""
WAIT = 5.0
"""Seconds to wait for another writer of an SQLite file, or for a connection to PostgreSQL."""
_JOURNAL_LIMIT = 64 * 1024 * 1024


def sqlite_engine(path: str) -> sa.Engine:
    """Connections that keep what they committed even when the machine loses power (`synchronous=FULL`).

    Args:
        path: the file; it is made when it is missing. Or what `in_memory` knows.
    """
    if in_memory(path):
        url = sa.URL.create("sqlite", database=path.partition("?")[0], query={"uri": "true", "vfs": "memdb"})
    else:
        url = sa.URL.create("sqlite", database=path)
    # Python begins transactions by itself only before INSERT, UPDATE and DELETE, which is too late for a decision that
    # is read first, and for DDL. So that is off, and BEGIN is said below.
    connect_args = {"isolation_level": None, "timeout": WAIT}
    engine = sa.create_engine(url, hide_parameters=True, connect_args=connect_args)
    event.listen(engine, "connect", _set_pragmas)  # pyright: ignore[reportUnknownMemberType]
    event.listen(engine, "begin", _begin)  # pyright: ignore[reportUnknownMemberType]
    return engine


def postgresql_engine(url: str) -> sa.Engine:
    """Connections that say their isolation level themselves, whatever the role's default is.

    Args:
        url: as libpq reads it, such as `postgresql://upstile@db.example/upstile`.
    """
    import psycopg

    def connect() -> Any:
        # Transaction poolers hand a prepared statement to the wrong session, hence the threshold.
        return psycopg.connect(
            url, prepare_threshold=None, connect_timeout=int(WAIT), tcp_user_timeout=int(WAIT * 1000)
        )

    return sa.create_engine(
        "postgresql+psycopg://",
        creator=connect,
        hide_parameters=True,
        isolation_level="READ COMMITTED",
        use_native_hstore=False,
        pool_pre_ping=True,
        pool_timeout=WAIT,
    )


def _set_pragmas(connection: sqlite3.Connection, _: object) -> None:
    use_wal(connection)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA journal_size_limit={_JOURNAL_LIMIT}")


def in_memory(path: str | os.PathLike[str]) -> bool:
    """Whether this names memory and no file: only that is an SQLite URI, as paths come here absolute."""
    return os.fspath(path).startswith("file:")


def use_wal(connection: sqlite3.Connection) -> None:
    """Turn on write-ahead logging. SQLite does not wait for others here, so we do."""
    until = time.monotonic() + WAIT
    if connection.execute("PRAGMA journal_mode").fetchone() == ("memory",):
        return  # nothing outlives it that a log could mend
    while connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        try:
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            if mode != ("wal",):
                raise ConfigurationError("this file system cannot carry SQLite's log: put the storage on a local disk")


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get(BEGIN, 'IMMEDIATE')}")
