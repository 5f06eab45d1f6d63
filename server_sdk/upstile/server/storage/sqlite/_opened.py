"""The connections to one file that belong to one process."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from upstile.server._errors import ConfigurationError, StorageUnavailable
from upstile.server.storage import schema
from upstile.server.storage._audit import WaitingRows
from upstile.server.storage._engine import in_memory, sqlite_engine, use_wal
from upstile.server.storage.sql import SqlLedger
from upstile.server.storage.sqlite._issuer import check_issuer
from upstile.server.storage.sqlite._patience import PATIENCE, waited
from upstile.server.storage.sqlite._phases import Phases
from upstile.server.storage.sqlite._tidying import LOG_LIMIT, Tidying

_TIDYING_WAITS = 1.0
"""Seconds that tidying waits for a writer; a second later it is called again."""
_MEMORY_WAITS = 1.0
"""Seconds that the event loop waits for another thread of a test, where readers and writers exclude each other."""

_CACHE = 16 * 1024 * 1024
"""Bytes of the file that a connection remembers at most; SQLite's own 2 MB are less than some thousand step-ups."""


class Opened:
    """An open storage: a connection for the event loop, one that tidies, and a ledger for what is rare.

    Attributes:
        process: whose connections these are.
        phases: for the event loop.
        tidying: for the thread that tidies.
        ledger: for other threads.
    """

    def __init__(
        self, path: Path, issuer: str, clock: Callable[[], float], waiting: WaitingRows, audit_kept_for: float | None
    ) -> None:
        self.process = os.getpid()
        self._engine = sqlite_engine(str(path))
        self.ledger = SqlLedger(self._engine, issuer, clock=clock, waiting=waiting, audit_kept_for=audit_kept_for)
        self.phases = Phases(_connect(path, waits=_MEMORY_WAITS if in_memory(path) else 0), waiting)
        self.tidying = Tidying(_connect(path, waits=_TIDYING_WAITS), path, self.phases)

    def close(self) -> None:
        """Give all connections back."""
        self.phases.close()
        self.tidying.close()
        self._engine.dispose()


def open_file(
    path: Path,
    issuer: str,
    reseal: schema.Reseal,
    clock: Callable[[], float],
    *,
    shared: bool,
    waiting: WaitingRows,
    audit_kept_for: float | None,
) -> Opened:
    """Bring the file to our schema and open it. Waits, so it is for a thread.

    Raises:
        ConfigurationError: it is no database, or another issuer's, or of a later release.
        StorageUnavailable: it stays locked, or SQLite refuses.
    """
    try:
        waited(lambda: _begin(path, None if shared else issuer))
    except StorageUnavailable as error:
        if getattr(error.__cause__, "sqlite_errorcode", None) != sqlite3.SQLITE_NOTADB:
            raise
        raise ConfigurationError(f"{str(path)!r} is not an SQLite database: name another file in storage=") from error
    _upgrade(path, issuer, reseal)
    opened = waited(lambda: Opened(path, issuer, clock, waiting, audit_kept_for))
    try:
        opened.tidying.copy()
    except StorageUnavailable:
        opened.close()
        raise
    return opened


def schema_version(path: Path) -> int:
    """The version of a file's schema, on which this release works. Waits, so it is for a thread.

    Raises:
        ConfigurationError: there is no such file, or this release does not work on it.
    """
    if not path.exists():
        raise schema.NothingYet(
            f"there is no file {str(path)!r}: the server makes it when it starts, or `upstile-server db upgrade` does; "
            "a name without folders belongs to the folder where the command runs"
        )
    engine = sqlite_engine(str(path))
    try:
        return schema.check(engine)
    finally:
        engine.dispose()


def _begin(path: Path, issuer: str | None) -> None:
    """Look whose file it is, before anything of it is changed, and turn on write-ahead logging."""
    with closing(_connect(path, waits=PATIENCE)) as connection:
        if issuer is not None:
            check_issuer(connection, issuer)
        use_wal(connection)


def _upgrade(path: Path, issuer: str, reseal: schema.Reseal) -> None:
    engine = sqlite_engine(str(path))
    try:
        schema.prepare(engine, issuer, reseal)
    finally:
        engine.dispose()


def _connect(path: Path, *, waits: float) -> sqlite3.Connection:
    """A connection that loses nothing when a process is killed, and may lose the newest when the machine is."""
    connection = sqlite3.connect(
        path, timeout=PATIENCE, isolation_level=None, check_same_thread=False, uri=in_memory(path)
    )
    try:
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")  # the thread that tidies does it: it costs an fsync
        connection.execute(f"PRAGMA journal_size_limit={LOG_LIMIT}")
        connection.execute(f"PRAGMA cache_size=-{_CACHE // 1024}")
        connection.execute(f"PRAGMA busy_timeout={waits * 1000:.0f}")  # last: others may be opening it, too
    except sqlite3.Error:
        connection.close()
        raise
    return connection
