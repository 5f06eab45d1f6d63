"""Durable and one-time state in one PostgreSQL.

What a ceremony needs goes over psycopg's connections on the event loop, two messages for each phase: the first begins
the transaction, takes the locks and reads; the second writes and commits. What is rare goes through `SqlLedger`, in a
thread.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from time import time
from typing import NamedTuple, TypeVar

from psycopg.pq.abc import PGresult

from upstile.server._errors import StorageUnavailable
from upstile.server.storage._audit import WaitingRows
from upstile.server.storage._records import (
    Account,
    AuditRow,
    AuthenticatorRecord,
    OneTimeKey,
    Record,
    Revocation,
    Row,
    Use,
    User,
)
from upstile.server.storage._stores import Decide, DecideAccount, DecideKeys, DecideUsed, Kept, Rows, no_rows
from upstile.server.storage.postgresql import _limits, _start, _statements
from upstile.server.storage.postgresql._engine import Engine, explained
from upstile.server.storage.postgresql._link import Link
from upstile.server.storage.postgresql._phases import Phases
from upstile.server.storage.postgresql._pool import Pool
from upstile.server.storage.postgresql._refusals import SLOW
from upstile.server.storage.postgresql._sweep import sweep
from upstile.server.storage.schema import Reseal, no_secret_keys
from upstile.server.storage.sql import SqlLedger, SqlNotices

T = TypeVar("T")


class PostgresStore:
    """A `Storage`, and both its halves, in one PostgreSQL database.

    Several event loops, threads and, after a fork, processes may use it.

    Args:
        url: as libpq reads it, such as `postgresql://upstile@db.example/upstile`.
        issuer: our issuer identifier.
        connections: the most connections of one event loop; the rare operations take one or two more.
        shared: this is one of several deployments in the database, and may be new there.
        reseal: seals anew what version 1 of the schema sealed.
        clock: the time in epoch seconds; it says when an entry of the log is dead.
        audit_kept_for: seconds after which a row of the audit table is deleted; `None`: never.

    Raises:
        ConfigurationError: the URL cannot be read.
    """

    def __init__(
        self,
        url: str,
        issuer: str,
        *,
        connections: int = 8,
        shared: bool = False,
        reseal: Reseal = no_secret_keys,
        clock: Callable[[], float] = time,
        audit_kept_for: float | None = None,
    ) -> None:
        self._parameters = _start.parameters(url)
        self._issuer = issuer
        self._shared = shared
        self._reseal = reseal
        self._clock = clock
        self._audit_kept_for = audit_kept_for
        self._waiting = WaitingRows()
        self._pool = Pool(self._parameters, connections)
        self._phases = Phases(self._pool, self._waiting)
        self._rare: _Rare | None = None

    @property
    def durable(self) -> "PostgresStore":
        """What must survive."""
        return self

    @property
    def one_time(self) -> "PostgresStore":
        """What several requests compete for."""
        return self

    @property
    def stores(self) -> tuple["PostgresStore"]:
        """The one that there is."""
        return (self,)

    @property
    def is_one(self) -> bool:
        """One transaction spans all of it."""
        return True

    @property
    def unlogged(self) -> int:
        """Rows of the audit table that were lost by this process."""
        return self._waiting.unlogged

    async def prepare(self) -> None:
        """Open the store, make the tables of an empty database and check those of another.

        Raises:
            ConfigurationError: the database cannot be used as it is; the message says what to do.
            StorageUnavailable: it cannot be reached, or written to.
        """
        if self._rare is not None and self._rare.engine.owner == os.getpid():
            return
        await _start.check(self._parameters, self._issuer, self._reseal, shared=self._shared)
        self._start(Engine(self._parameters))
        self._pool.open()

    def check_schema(self) -> int:
        """The version of the database's schema; nothing is changed."""
        return _start.schema_version(self._parameters)

    def upgrade_schema(self) -> int:
        """Bring the database to the newest schema, while nodes of this release and the one before may run."""
        return _start.upgrade_schema(self._parameters, self._issuer, self._reseal)

    async def get_many(self, keys: Sequence[OneTimeKey], now: float) -> dict[OneTimeKey, Record]:
        """The live records of these keys."""
        return await self._pool.run(_statements.read(keys, now), _found)

    async def update_many(
        self, keys: Sequence[OneTimeKey], decide: Decide[T], now: float, rows: Rows[T] = no_rows
    ) -> T:
        """Read, decide, write; atomic over all `keys`, which include every one that `decide` may write."""
        return await self._phases.run(keys, now, lambda results: decide(_statements.found(results[-1])), rows)

    async def settle(
        self, use: Use, keys: Sequence[OneTimeKey], decide: DecideUsed[T], now: float, rows: Rows[T] = no_rows
    ) -> T:
        """Write what a right answer uses up and its outcome, in one transaction."""

        def with_use(results: list[PGresult]) -> tuple[Kept, T]:
            return decide(_statements.found(results[-1]), results[-2].ntuples == 1)

        return await self._phases.run(keys, now, with_use, rows, [_statements.use(use)])

    async def account(self, user: User) -> Account:
        """One user, as they are now; an account that was never written is empty."""

        async def read(_: Link, results: list[PGresult]) -> Account:
            return _statements.read_account(user, results[-1])

        return await self._pool.run(_statements.account(user), read)

    async def use(self, use: Use) -> bool:
        """Compare-and-set what a proof uses up; whether this was the first use."""
        statements = (*_statements.BEGIN, _statements.use(use), "COMMIT")
        return await self._pool.run("; ".join(statements), _is_first, again=False)

    async def change_account(
        self, user: User, decide: DecideAccount[T], rows: Rows[T] = no_rows, *, spared: str | None = None
    ) -> T:
        """Read, decide, write. A generation that goes up goes into the log of revocations with it; and rows are told.

        Raises:
            CredentialTaken: a new credential is enrolled already, by this user or another (WebAuthn §7.1).
        """
        return await self._in_thread(lambda ledger: ledger.change_account(user, decide, rows, spared=spared))

    async def forget_account(self, user: User, rows: Sequence[Row] = (), *, audited: User | None = None) -> Account:
        """Delete all that is kept of a user; what they had has ended."""
        return await self._in_thread(lambda ledger: ledger.forget_account(user, rows, audited=audited))

    async def authenticators_after(self, id: str, limit: int) -> list[tuple[User, AuthenticatorRecord]]:
        """The next authenticators of this issuer, in the order of their ids."""
        return await self._in_thread(lambda ledger: ledger.authenticators_after(id, limit))

    async def change_signing_keys(self, decide: DecideKeys[T]) -> T:
        """Read this issuer's signing keys, the newest first, decide, write; under the schema's lock."""
        return await self._in_thread(lambda ledger: ledger.change_signing_keys(decide))

    async def revoke(self, entry: Revocation, rows: Sequence[Row] = ()) -> bool:
        """Append to the log, durably, and tell of it; what is there already is not written again."""
        return await self._in_thread(lambda ledger: ledger.revoke(entry, rows))

    def append(self, rows: Sequence[Row]) -> None:
        """Have `tidy` write these to the audit table."""
        self._waiting.add(rows)

    def with_notices(self, work: Callable[[SqlNotices], T]) -> T:
        """Do some work with the queue of notices. For a thread: it waits."""
        ledger = self._own().ledger
        return explained(lambda: ledger.with_notices(work))

    async def settled_at(self, user: User, now: float) -> int | None:
        """Until when some things stay closed to a user after a reset."""
        return await self._in_thread(lambda ledger: ledger.settled_at(user, now))

    async def audited(self, user: User) -> list[AuditRow]:
        """What the audit table says of a user, the oldest first."""
        return await self._in_thread(lambda ledger: ledger.audited(user))

    def revocations_after(self, number: int, now: float) -> list[Revocation]:
        """The live entries of this issuer with a higher number, in order. For a thread: it may wait."""
        ledger = self._own().ledger
        return explained(lambda: ledger.revocations_after(number, now))

    async def secret(self, name: str, made: bytes) -> bytes:
        """A random value of this storage, made once: `made`, or what another process made before."""
        return await self._in_thread(lambda ledger: ledger.secret(name, made))

    async def ping(self) -> None:
        """Whether the store can be read; raises if not."""
        await self._pool.run(_statements.PING, _nothing)

    async def time(self) -> float | None:
        """The time by the database's clock."""
        return await self._pool.run(_statements.TIME, _time)

    def tidy(self, now: float) -> None:
        """Delete some of what is over, and hang up what belonged to event loops that ended."""
        self._pool.sweep()
        own = self._own()
        try:
            self._waiting.flush(lambda rows: explained(lambda: own.ledger.append(rows)))
        finally:
            explained(lambda: own.ledger.tidy(now))
            explained(lambda: sweep(own.engine.engine, now))

    async def aclose(self) -> None:
        """Hang up; `prepare` opens the store again."""
        self._pool.close()
        rare, self._rare = self._rare, None
        if rare is not None:
            await asyncio.to_thread(self._hang_up, rare)

    def _hang_up(self, rare: "_Rare") -> None:
        self._waiting.close(lambda rows: explained(lambda: rare.ledger.append(rows)))
        rare.engine.close()

    async def _in_thread(self, work: Callable[[SqlLedger], T]) -> T:
        ledger = self._own().ledger
        try:
            async with asyncio.timeout(_limits.ANSWER):
                return await asyncio.to_thread(explained, lambda: work(ledger))
        except TimeoutError:
            raise StorageUnavailable(SLOW) from None

    def _own(self) -> "_Rare":
        if self._rare is None:
            raise StorageUnavailable("the store is closed")
        if self._rare.engine.owner != os.getpid():
            return self._start(Engine(self._parameters))
        return self._rare

    def _start(self, engine: Engine) -> "_Rare":
        ledger = SqlLedger(
            engine.engine,
            self._issuer,
            clock=self._clock,
            waiting=self._waiting,
            audit_kept_for=self._audit_kept_for,
        )
        before, now = self._rare, _Rare(engine, ledger)
        self._rare = now
        if before is not None:
            before.engine.close()
        return now


class _Rare(NamedTuple):
    """What the rare operations need, in one process."""

    engine: Engine
    ledger: SqlLedger


async def _found(_: Link, results: list[PGresult]) -> dict[OneTimeKey, Record]:
    return _statements.found(results[-1])


async def _is_first(_: Link, results: list[PGresult]) -> bool:
    return results[-2].ntuples == 1


async def _time(_: Link, results: list[PGresult]) -> float:
    return float(results[-1].get_value(0, 0) or b"")


async def _nothing(_: Link, results: list[PGresult]) -> None: ...
