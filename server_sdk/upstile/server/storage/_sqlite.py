"""One-time state in SQLite through the standard library: the fast and simple choice for one machine.

An operation takes some tens of microseconds, so it runs on the event loop itself; a thread hop would cost more.
Several processes may share the file.
"""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

from upstile.server._errors import StorageUnavailable
from upstile.server.storage._ephemeral import Change, Record

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS upstile_ephemeral
    (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires_at REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS upstile_ephemeral_expiry ON upstile_ephemeral (expires_at);
"""
_SWEEP_EVERY = 60.0
_GRACE = 3600.0
"""Seconds for which what has expired stays: a clock that was ahead and is set back must not forget what is used up."""


class SqliteEphemeralStore:
    """An `EphemeralStore` in an SQLite file (WAL mode).

    Args:
        path: the file; it may be shared with other tables.
        timeout: seconds to wait for another process that writes.
    """

    def __init__(self, path: str, timeout: float = 5.0) -> None:
        self._path = path
        self._timeout = timeout
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._swept = 0.0

    async def prepare(self) -> None:
        """Open the file and make the table."""
        with self._lock:
            if self._connection is None:
                self._connection = self._open()

    async def get(self, key: str, now: float) -> Record | None:
        """The live record of a key."""
        with self._exclusive() as connection:
            return _read(connection, key, now)

    async def update(self, key: str, change: Change[T], now: float) -> T:
        """Apply `change` in one transaction that no other writer can interleave with."""
        with self._exclusive() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                found = _read(connection, key, now)
                kept, result = change(found)
                _write(connection, key, found, kept)
                self._sweep(connection, now)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
            return result

    async def keys(self, prefix: str, now: float) -> list[str]:
        """All keys of live records that begin with `prefix`."""
        query = "SELECT key FROM upstile_ephemeral WHERE key >= ? AND key < ? AND expires_at > ?"
        with self._exclusive() as connection:
            return [row[0] for row in connection.execute(query, (prefix, prefix + "\U0010ffff", now))]

    async def ping(self) -> None:
        """Whether the table can be read."""
        await self.get("", 0.0)

    async def aclose(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise StorageUnavailable(f"the SQLite file cannot be used: {error}") from error
        return connection

    @contextmanager
    def _exclusive(self) -> Generator[sqlite3.Connection]:
        with self._lock:
            if self._connection is None:
                raise StorageUnavailable("the store is closed")
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise StorageUnavailable(f"SQLite refused: {error}") from error

    def _sweep(self, connection: sqlite3.Connection, now: float) -> None:
        if abs(now - self._swept) >= _SWEEP_EVERY:
            connection.execute("DELETE FROM upstile_ephemeral WHERE expires_at <= ?", (now - _GRACE,))
            self._swept = now


def _read(connection: sqlite3.Connection, key: str, now: float) -> Record | None:
    query = "SELECT value, expires_at FROM upstile_ephemeral WHERE key = ? AND expires_at > ?"
    row = connection.execute(query, (key, now)).fetchone()
    return Record(value=row[0], expires_at=row[1]) if row else None


def _write(connection: sqlite3.Connection, key: str, found: Record | None, kept: Record | None) -> None:
    if kept is found:
        return
    if kept is None:
        connection.execute("DELETE FROM upstile_ephemeral WHERE key = ?", (key,))
    else:
        connection.execute(
            "INSERT INTO upstile_ephemeral (key, value, expires_at) VALUES (?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at",
            (key, kept.value, kept.expires_at),
        )
