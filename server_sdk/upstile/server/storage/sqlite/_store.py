"""The store: what is frequent on the event loop, what is rare in threads."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from time import time
from typing import TypeVar

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
from upstile.server.storage._stores import Decide, DecideAccount, DecideKeys, DecideUsed, Rows, no_rows
from upstile.server.storage.schema import HEAD, Reseal, no_secret_keys
from upstile.server.storage.sql import SqlNotices
from upstile.server.storage.sqlite._files import check_files
from upstile.server.storage.sqlite._opened import Opened, open_file, schema_version
from upstile.server.storage.sqlite._patience import tried
from upstile.server.storage.sqlite._phases import Phases

T = TypeVar("T")

_inherited: list[Opened] = []
"""What forked processes got from their parents. Closing it could damage the file under them, so it is kept unused."""


class SqliteStore:
    """A whole storage in one SQLite file, for any number of processes of one machine.

    What a ceremony does takes some tens of microseconds on the event loop, and waits for other writers between tries,
    never on the loop. What must survive even a power cut (enrolling, closing, revoking, keys) is written in threads,
    each with an fsync. The file may be shared with the application's own tables.

    Args:
        path: the file; it is made when it is missing, for its owner alone. On a local disk: others keep no locks.
        issuer: our issuer identifier.
        allow_group_files: whether a group may read and write the file, which holds seeds and signing keys.
        reseal: seals anew what version 1 of the schema sealed.
        clock: the time in epoch seconds; it says when an entry of the log is dead.
        shared: this is one of several deployments in the file, and may be new there.
        audit_kept_for: seconds after which a row of the audit table is deleted; `None`: never.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        issuer: str,
        *,
        allow_group_files: bool = False,
        reseal: Reseal = no_secret_keys,
        clock: Callable[[], float] = time,
        shared: bool = False,
        audit_kept_for: float | None = None,
    ) -> None:
        self._path = Path(path).absolute()  # a later chdir changes nothing
        self._issuer = issuer
        self._allow_group = allow_group_files
        self._reseal = reseal
        self._clock = clock
        self._shared = shared
        self._audit_kept_for = audit_kept_for
        self._waiting = WaitingRows()
        self._opened: Opened | None = None
        self._opening = {os.getpid(): Lock()}

    @property
    def durable(self) -> "SqliteStore":
        """What must survive: the same file."""
        return self

    @property
    def one_time(self) -> "SqliteStore":
        """What several requests compete for: the same file."""
        return self

    @property
    def stores(self) -> tuple["SqliteStore"]:
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
        """Open the file and bring it to our schema; harmless when called again.

        Raises:
            ConfigurationError: the file cannot be used, or is open to others, or is another issuer's.
            StorageUnavailable: it stays locked, or SQLite refuses.
        """
        await asyncio.to_thread(self._open)

    def check_schema(self) -> int:
        """The version of the file's schema; nothing is changed."""
        return schema_version(self._path)

    def upgrade_schema(self) -> int:
        """Bring the file to the newest schema, as opening it does."""
        self._open()
        self._close()
        return HEAD

    async def get_many(self, keys: Sequence[OneTimeKey], now: float) -> dict[OneTimeKey, Record]:
        """The live records of these keys."""
        return await tried(self._phases().get_many, keys, now)

    async def update_many(
        self, keys: Sequence[OneTimeKey], decide: Decide[T], now: float, rows: Rows[T] = no_rows
    ) -> T:
        """Read, decide, write, in one transaction."""
        return await tried(self._phases().update_many, keys, decide, now, rows)

    async def settle(
        self, use: Use, keys: Sequence[OneTimeKey], decide: DecideUsed[T], now: float, rows: Rows[T] = no_rows
    ) -> T:
        """Write what a right answer uses up and its outcome, in one transaction."""
        return await tried(self._phases().settle, use, keys, decide, now, rows)

    async def use(self, use: Use) -> bool:
        """Compare-and-set what a proof uses up; whether this was the first use."""
        return await tried(self._phases().use, use)

    async def account(self, user: User) -> Account:
        """One user, as they are now."""
        return await tried(self._phases().account, user)

    async def ping(self) -> None:
        """Whether the file can be read."""
        await tried(self._phases().ping)

    async def time(self) -> float | None:
        """`None`: a file has no clock but that of its machine."""
        return None

    async def change_account(
        self, user: User, decide: DecideAccount[T], rows: Rows[T] = no_rows, *, spared: str | None = None
    ) -> T:
        """Read, decide, write, so that a power cut does not undo it; without rows that are to be told, nothing.

        Raises:
            CredentialTaken: a new credential is enrolled already, by this user or another (WebAuthn §7.1).
        """
        return await asyncio.to_thread(self._here().ledger.change_account, user, decide, rows, spared=spared)

    async def forget_account(self, user: User, rows: Sequence[Row] = (), *, audited: User | None = None) -> Account:
        """Delete all that is kept of a user; what they had has ended."""
        return await asyncio.to_thread(self._here().ledger.forget_account, user, rows, audited=audited)

    async def authenticators_after(self, id: str, limit: int) -> list[tuple[User, AuthenticatorRecord]]:
        """The next authenticators of this issuer, in the order of their ids."""
        return await asyncio.to_thread(self._here().ledger.authenticators_after, id, limit)

    async def change_signing_keys(self, decide: DecideKeys[T]) -> T:
        """Read this issuer's signing keys, the newest first, decide, write."""
        return await asyncio.to_thread(self._here().ledger.change_signing_keys, decide)

    async def revoke(self, entry: Revocation, rows: Sequence[Row] = ()) -> bool:
        """Append to the log, and tell of it; what is there already is not written again."""
        return await asyncio.to_thread(self._here().ledger.revoke, entry, rows)

    async def secret(self, name: str, made: bytes) -> bytes:
        """A random value of this storage: `made`, or what another process made before."""
        return await asyncio.to_thread(self._here().ledger.secret, name, made)

    def append(self, rows: Sequence[Row]) -> None:
        """Have `tidy` write these to the audit table."""
        self._waiting.add(rows)

    def with_notices(self, work: Callable[[SqlNotices], T]) -> T:
        """Do some work with the queue of notices. For a thread: it waits."""
        return self._here().ledger.with_notices(work)

    async def settled_at(self, user: User, now: float) -> int | None:
        """Until when some things stay closed to a user after a reset."""
        return await asyncio.to_thread(self._here().ledger.settled_at, user, now)

    async def audited(self, user: User) -> list[AuditRow]:
        """What the audit table says of a user, the oldest first."""
        return await asyncio.to_thread(self._here().ledger.audited, user)

    def revocations_after(self, number: int, now: float) -> list[Revocation]:
        """The live entries of this issuer with a higher number, in order. For a thread: it may wait."""
        return self._here().ledger.revocations_after(number, now)

    def tidy(self, now: float) -> None:
        """Sweep some of what has expired and copy the log into the file. For a thread, about once a second."""
        opened = self._here()
        try:
            self._waiting.flush(opened.ledger.append)
        finally:
            opened.tidying(now)
            opened.ledger.tidy(now)

    async def aclose(self) -> None:
        """Close the file."""
        await asyncio.to_thread(self._close)

    def _phases(self) -> Phases:
        opened = self._opened
        if opened is not None and opened.process == os.getpid():
            return opened.phases
        return self._here().phases

    def _here(self) -> Opened:
        """The connections of this process; a forked one opens its own."""
        opened = self._opened
        if opened is None:
            raise StorageUnavailable("the storage is closed: call prepare() first")
        return opened if opened.process == os.getpid() else self._open()

    def _open(self) -> Opened:
        with self._lock():
            self._disown()
            if self._opened is None:
                self._make_ready()
                self._opened = open_file(
                    self._path,
                    self._issuer,
                    self._reseal,
                    self._clock,
                    shared=self._shared,
                    waiting=self._waiting,
                    audit_kept_for=self._audit_kept_for,
                )
            return self._opened

    def _close(self) -> None:
        with self._lock():
            self._disown()
            if self._opened is not None:
                self._let_go(self._opened)
                self._opened = None

    def _make_ready(self) -> None:
        check_files(self._path, allow_group=self._allow_group)

    def _let_go(self, opened: Opened) -> None:
        self._waiting.close(opened.ledger.append)
        opened.close()

    def _disown(self) -> None:
        if self._opened is not None and self._opened.process != os.getpid():
            _inherited.append(self._opened)
            self._opened = None

    def _lock(self) -> Lock:
        """A lock of this process: one that was inherited may be held for ever."""
        return self._opening.setdefault(os.getpid(), Lock())
