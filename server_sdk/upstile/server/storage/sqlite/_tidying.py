"""What keeps the file small, in a thread: nothing of it happens in a request."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from upstile.server._errors import StorageUnavailable
from upstile.server.storage._meanings import meaning
from upstile.server.storage.sqlite._patience import is_locked
from upstile.server.storage.sqlite._phases import Phases

LOG_LIMIT = 64 * 1024 * 1024
"""Bytes of the write-ahead log above which it is cut, although writers wait for that."""
BATCH, BATCHES = 200, 10
"""Rows that are swept in one transaction of a few milliseconds, and such transactions in one call."""
_TOUCH = "UPDATE upstile_schema SET version_num = version_num"
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
        phases: what writes on the event loop.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, phases: Phases) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._log = path.with_name(path.name + "-wal")
        self._phases = phases
        self._copied = -1
        self._lock = Lock()

    def __call__(self, now: float) -> None:
        """Tidy, within bounds.

        Raises:
            StorageUnavailable: the file stays locked, or SQLite refuses.
        """
        self.copy()  # first: it waits for nobody
        self._run(lambda connection: _sweep(connection, now))

    def copy(self) -> None:
        """Make durable what phases wrote, and see to it that the log begins anew in this thread.

        Who writes first after all of the log was copied begins it anew, with an fsync: that is not to be a request.

        Raises:
            StorageUnavailable: the file stays locked, or SQLite refuses.
        """
        self._run(self._copy)

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _run(self, work: Callable[[sqlite3.Connection], None]) -> None:
        with self._lock:
            if self._connection is None:
                raise StorageUnavailable("the storage is closed")
            try:
                work(self._connection)
            except sqlite3.Error as error:
                raise meaning(error) from error

    def _copy(self, connection: sqlite3.Connection) -> None:
        writes = self._phases.writes
        if writes == self._copied:  # what others wrote is theirs to copy: an idle storage is left alone
            return
        # PASSIVE waits for nobody, but under unbroken load it never finds the log unused, so that the log grows.
        mode = "TRUNCATE" if self._size() > LOG_LIMIT else "PASSIVE"
        _, pages, copied = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        self._copied = writes
        if pages == copied:
            _begin_anew(connection)

    def _size(self) -> int:
        try:
            return self._log.stat().st_size
        except OSError:
            return 0


def _begin_anew(connection: sqlite3.Connection) -> None:
    try:
        connection.execute(_TOUCH)
    except sqlite3.OperationalError as error:
        if not is_locked(error):
            raise
        # NOTE: somebody else is writing, so the log goes on, and whoever comes then pays for one fsync.


def _sweep(connection: sqlite3.Connection, now: float) -> None:
    for _ in range(BATCHES):
        if connection.execute(_ANY, (now,)).fetchone() is None:  # a look takes no lock
            break
        if connection.execute(_SWEEP, (now, BATCH)).rowcount < BATCH:
            break
