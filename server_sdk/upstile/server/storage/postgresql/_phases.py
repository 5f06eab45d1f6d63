"""A phase over one-time state, in two messages: one takes the locks and reads, one writes and commits."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from psycopg.pq.abc import PGresult

from upstile.server.storage._audit import WaitingRows
from upstile.server.storage._records import OneTimeKey, Row
from upstile.server.storage._stores import Kept, Rows
from upstile.server.storage._transactions import lock_number
from upstile.server.storage.postgresql import _statements
from upstile.server.storage.postgresql._link import Link
from upstile.server.storage.postgresql._pool import Pool
from upstile.server.storage.postgresql._refusals import Refused

T = TypeVar("T")
Decide = Callable[[list[PGresult]], tuple[Kept, T]]
"""What is written, by the results of the first message."""


class _NotTold(Exception):
    """A transaction with rows for the audit table was refused: they may be why."""


class Phases:
    """Runs phases.

    Args:
        pool: lends the connections.
        waiting: the rows that wait for the audit table.
    """

    def __init__(self, pool: Pool, waiting: WaitingRows) -> None:
        self._pool = pool
        self._waiting = waiting

    async def run(
        self, keys: Sequence[OneTimeKey], now: float, decide: Decide[T], rows: Rows[T], before: Sequence[str] = ()
    ) -> T:
        """One phase. Where it can be written without its rows only, it is, and they wait.

        Args:
            keys: what it reads, and all that it may write.
            now: epoch seconds.
            decide: what to write.
            rows: what is told with it.
            before: statements of the first message that come before it reads.
        """
        failure: _NotTold | None = None
        if not self._waiting.spares:
            try:
                return await self._once(keys, now, decide, rows, before)
            except _NotTold as refused:
                failure = refused
        late: list[Row] = []

        def later(result: T) -> Sequence[Row]:
            late[:] = rows(result)
            return ()

        result = await self._once(keys, now, decide, later, before)
        if failure is not None:
            self._waiting.failed(failure)
        self._waiting.add(late)
        return result

    async def _once(
        self, keys: Sequence[OneTimeKey], now: float, decide: Decide[T], rows: Rows[T], before: Sequence[str]
    ) -> T:
        numbers = sorted({lock_number("one-time", key) for key in keys})
        first = "; ".join((*_statements.BEGIN, _statements.lock(numbers), *before, _statements.read(keys, now)))

        async def write(link: Link, results: list[PGresult]) -> T:
            kept, result = decide(results)
            if not kept.keys() <= set(keys):
                raise RuntimeError("a decision writes a record whose key was not among those that are locked")
            told = rows(result)
            try:
                await link.ask(*_statements.write(kept), *_statements.tell(told), "COMMIT")
            except Refused as refused:
                if not told:
                    raise
                raise _NotTold from refused
            return result

        return await self._pool.run(first, write, locks=numbers)
