"""The same store without a file, for tests: `storage=":memory:"`. When it is closed, all of it is gone."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex

from upstile.server._errors import ConfigurationError
from upstile.server.storage.sqlite._opened import Opened
from upstile.server.storage.sqlite._store import SqliteStore


class MemoryStore(SqliteStore):
    """A whole storage in the memory of one process, for any number of its threads. For tests.

    Each opening begins with an empty one. The statements, the transactions and the schema are those of `SqliteStore`;
    what lies between is SQLite's VFS `memdb`, a file without a disk, which locks as a file does.

    Args:
        issuer: our issuer identifier.
        clock: the time in epoch seconds.
        shared: this is one of several deployments in the storage.
        audit_kept_for: seconds after which a row of the audit table is deleted; `None`: never.
    """

    def __init__(
        self, issuer: str, *, clock: Callable[[], float], shared: bool = False, audit_kept_for: float | None = None
    ) -> None:
        super().__init__("unused", issuer, clock=clock, shared=shared, audit_kept_for=audit_kept_for)
        self._anchor: sqlite3.Connection | None = None
        self._process: int | None = None

    def check_schema(self) -> int:
        """There is nothing to look at before it is opened.

        Raises:
            ConfigurationError: always.
        """
        raise _of_one_process()

    def upgrade_schema(self) -> int:
        """There is nothing to bring to another schema.

        Raises:
            ConfigurationError: always.
        """
        raise _of_one_process()

    def _make_ready(self) -> None:
        """Make the memory, and hold it: it goes with the last connection to it.

        Raises:
            ConfigurationError: this process was forked from the one that it belongs to.
        """
        if self._process not in (None, os.getpid()):
            raise _of_one_process()
        self._process = os.getpid()
        self._path = Path(f"file:/upstile-{token_hex(8)}?vfs=memdb")
        self._anchor = sqlite3.connect(self._path, uri=True, check_same_thread=False)

    def _let_go(self, opened: Opened) -> None:
        super()._let_go(opened)
        if self._anchor is not None:
            self._anchor.close()
            self._anchor = None


def _of_one_process() -> ConfigurationError:
    return ConfigurationError(
        "storage=':memory:' is for the tests of one process, and gone when it is closed: name a file, as in"
        " storage='sqlite:///stepup.db'"
    )
