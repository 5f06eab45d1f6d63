"""Rows that wait for the audit table or the queue of notices: told outside of a transaction, or not written by it."""

import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock
from time import monotonic

from upstile.server._errors import StorageUnavailable
from upstile.server.storage._records import Row

MOST = 10_000
"""Rows that wait at most: some MB."""
BATCH = 500
"""Rows that are written in one transaction."""
SPARED = 10.0
"""Seconds for which transactions leave a table alone that could not be written."""

_log = logging.getLogger("upstile.server.audit")


class WaitingRows:
    """A bounded queue between those who must not wait and the thread that writes.

    Attributes:
        unlogged: rows that were dropped because too many waited.
    """

    def __init__(self) -> None:
        self.unlogged = 0
        self._rows: deque[Row] = deque()
        self._lock = Lock()
        self._said = 0
        self._spared_until = 0.0
        self._process = os.getpid()

    def add(self, rows: Sequence[Row]) -> None:
        """Let rows wait. Those that find no room are dropped, counted, and that is said once."""
        self._be_this_process()
        with self._lock:
            room = MOST - len(self._rows)
            self._rows.extend(rows[:room])
            lost = max(0, len(rows) - room)
            first = lost and self.unlogged == self._said
            self.unlogged += lost
        if first:
            _log.error("the audit table cannot be written fast enough: events are in this log only, and counted")

    @property
    def spares(self) -> bool:
        """Whether a transaction had better not try to write the table."""
        return monotonic() < self._spared_until

    def failed(self, why: Exception) -> None:
        """Note that a transaction could be written only without its rows."""
        if not self.spares:
            _log.error("the audit table cannot be written, its rows wait: %s", type(why).__name__)
        self._spared_until = monotonic() + SPARED

    def flush(self, write: Callable[[Sequence[Row]], None]) -> None:
        """Write what waits. For a thread: it may wait.

        Raises:
            StorageUnavailable: the table cannot be written; what waits goes on waiting.
        """
        self._be_this_process()
        while True:
            with self._lock:
                batch = [self._rows.popleft() for _ in range(min(BATCH, len(self._rows)))]
            if not batch:
                break
            try:
                write(batch)
            except StorageUnavailable:
                with self._lock:
                    self._rows.extendleft(reversed(batch))
                raise
            self._spared_until = 0.0
        if self.unlogged != self._said:
            _log.error("%d events are not in the audit table", self.unlogged - self._said)
            self._said = self.unlogged

    def close(self, write: Callable[[Sequence[Row]], None]) -> None:
        """Write what waits, for the last time; what cannot be written is counted as lost."""
        try:
            self.flush(write)
        except StorageUnavailable:
            with self._lock:
                lost = len(self._rows)
                self._rows.clear()
                self.unlogged += lost
                self._said = self.unlogged
            _log.error("%d events are not in the audit table", lost)

    def _be_this_process(self) -> None:
        """In a forked process forget what is its parent's to write, and the lock that one of its threads may hold."""
        if self._process != os.getpid():
            self._process, self._lock = os.getpid(), Lock()
            self._rows.clear()
