"""The connections to one file that belong to one process."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from upstile.server._errors import ConfigurationError, StorageUnavailable
from upstile.server.storage.schema import _tables as tables
from upstile.server.storage.sql import SqlLedger, sqlite_engine
from upstile.server.storage.sqlite._issuer import check_issuer
from upstile.server.storage.sqlite._phases import Phases
from upstile.server.storage.sqlite._tidying import LOG_LIMIT, Tidying
from upstile.server.storage.sqlite._tries import waited

_TIDYING_WAITS = 1.0
"""Seconds that tidying waits for a writer; a second later it is called again."""


class Opened:
    """An open storage: a connection for the event loop, one that tidies, and a ledger for what is rare.

    Attributes:
        process: whose connections these are.
        phases: for the event loop.
        tidying: for the thread that tidies.
        ledger: for other threads.
    """

    def __init__(self, path: Path, issuer: str) -> None:
        self.process = os.getpid()
        self._engine = sqlite_engine(str(path))
        self.ledger = SqlLedger(self._engine, issuer)
        self.phases = Phases(_connect(path, waits=0))
        self.tidying = Tidying(_connect(path, waits=_TIDYING_WAITS), path)

    def close(self) -> None:
        """Give all connections back."""
        self.phases.close()
        self.tidying.close()
        self._engine.dispose()


def open_file(path: Path, issuer: str) -> Opened:
    """Bring the file to our schema and open it. Waits, so it is for a thread.

    Raises:
        ConfigurationError: it is no database, or another issuer's.
        StorageUnavailable: it stays locked, or SQLite refuses.
    """
    try:
        waited(lambda: _begin(path, issuer))
    except StorageUnavailable as error:
        if getattr(error.__cause__, "sqlite_errorcode", None) != sqlite3.SQLITE_NOTADB:
            raise
        raise ConfigurationError(f"{str(path)!r} is not an SQLite database: name another file in storage=") from error
    _make_tables(path)
    return waited(lambda: Opened(path, issuer))


def _begin(path: Path, issuer: str) -> None:
    """Turn on write-ahead logging and look whose file it is, before anything of it is changed."""
    with closing(_connect(path, waits=0)) as connection:
        check_issuer(connection, issuer)
        _use_wal(connection)


def _make_tables(path: Path) -> None:
    engine = sqlite_engine(str(path))
    with engine.begin() as transaction:  # an immediate one, so that nobody comes between the look and the making
        tables.metadata.create_all(transaction)
    engine.dispose()


def _connect(path: Path, *, waits: float) -> sqlite3.Connection:
    """A connection that loses nothing when a process is killed, and may lose the newest when the machine is."""
    connection = sqlite3.connect(path, timeout=waits, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")  # the thread that tidies does it: it costs an fsync
    connection.execute(f"PRAGMA journal_size_limit={LOG_LIMIT}")
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """Turn on write-ahead logging. It needs the file for itself, so it is not asked for where it is on."""
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        connection.execute("PRAGMA journal_mode=WAL")
