"""What keeps the file small, in a thread: nothing of it happens in a request."""

import sqlite3
from pathlib import Path
from threading import Lock

from upstile.server._errors import StorageUnavailable
from upstile.server.storage._meanings import meaning

LOG_LIMIT = 64 * 1024 * 1024
"""Bytes of the write-ahead log above which it is cut, although writers wait for that."""
BATCH, BATCHES = 200, 10
"""Rows that are swept in one transaction of a few milliseconds, and such transactions in one call."""
_ANY = "SELECT 1 FROM upstile_one_time WHERE kept_until <= ? LIMIT 1"
_SWEEP = """
DELETE FROM upstile_one_time WHERE key IN
    (SELECT key FROM upstile_one_time WHERE kept_until <= ? ORDER BY kept_until LIMIT ?)
"""


class Tidying:
    """Copies the log into the file and sweeps what has expired.

    Args:
        connection: its own; it waits for writers.
        path: the database.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._log = path.with_name(path.name + "-wal")
        self._lock = Lock()

    def __call__(self, now: float) -> None:
        """Tidy, within bounds.

        Raises:
            StorageUnavailable: the file stays locked, or SQLite refuses.
        """
        with self._lock:
            if self._connection is None:
                raise StorageUnavailable("the storage is closed")
            try:
                self._checkpoint(self._connection)  # first: it waits for nobody
                self._sweep(self._connection, now)
            except sqlite3.Error as error:
                raise meaning(error) from error

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _sweep(self, connection: sqlite3.Connection, now: float) -> None:
        for _ in range(BATCHES):
            if connection.execute(_ANY, (now,)).fetchone() is None:  # a look takes no lock
                break
            if connection.execute(_SWEEP, (now, BATCH)).rowcount < BATCH:
                break

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        # PASSIVE waits for nobody, and under unbroken load it never finds the log unused, so that the log grows.
        mode = "TRUNCATE" if self._size() > LOG_LIMIT else "PASSIVE"
        connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()

    def _size(self) -> int:
        try:
            return self._log.stat().st_size
        except OSError:
            return 0
