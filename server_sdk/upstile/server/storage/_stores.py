"""What a store must be able to do: one primitive for one-time state, one for what is durable.

`update_many` and `change_account` are the same idea: what is read, a pure function decides, what it says is written,
all in one transaction with nobody in between. What a counter, a lock or a code is, is said in plain functions, once,
for every store. A store may call the function more than once before one result is kept.

Every method raises `StorageUnavailable` when the store cannot be reached or does not answer in time; then nothing is
promised about what was written.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from upstile.server.storage._notice_rules import ClaimedNotice
from upstile.server.storage._records import (
    Account,
    AuditRow,
    AuthenticatorRecord,
    OneTimeKey,
    Record,
    Revocation,
    Row,
    SigningKeyRecord,
    Use,
    User,
)

T = TypeVar("T")
Found = Mapping[OneTimeKey, Record]
"""The live records of the keys that were asked for."""
Kept = Mapping[OneTimeKey, Record | None]
"""What to write: `None` deletes, and what is not named stays as it is."""
Decide = Callable[[Found], tuple[Kept, T]]
DecideUsed = Callable[[Found, bool], tuple[Kept, T]]
"""As `Decide`, and whether the use was the first."""
DecideAccount = Callable[[Account], tuple[Account, T]]
DecideKeys = Callable[[Sequence[SigningKeyRecord]], tuple[Sequence[SigningKeyRecord], T]]
Rows = Callable[[T], Sequence[Row]]
"""What the audit table and the queue of notices are told with a change: made of its result, in its transaction."""


def no_rows(_: object) -> tuple[Row, ...]:
    """Nothing is told."""
    return ()


class Store(Protocol):
    """What both kinds of stores have in common."""

    async def prepare(self) -> None:
        """Open the store, and check or make its schema; harmless when called again. A forked process opens its own."""
        ...

    async def ping(self) -> None:
        """Whether the store can be read; raises if not."""
        ...

    async def time(self) -> float | None:
        """What time it is by the store's own clock (epoch seconds); `None` for one without."""
        ...

    def tidy(self, now: float) -> None:
        """Bounded housekeeping, called about each second from a thread of its own."""
        ...

    async def aclose(self) -> None:
        """Give back what the store holds; `prepare` opens it again."""
        ...


class OneTimeStore(Store, Protocol):
    """State that several requests compete for, each record with an end."""

    async def get_many(self, keys: Sequence[OneTimeKey], now: float) -> dict[OneTimeKey, Record]:
        """The live records of these keys."""
        ...

    async def update_many(
        self, keys: Sequence[OneTimeKey], decide: Decide[T], now: float, rows: Rows[T] = no_rows
    ) -> T:
        """Read, decide, write; atomic over all `keys`, which include every one that `decide` may write.

        A store that has the audit table writes `rows` in the same transaction. That the table cannot be written keeps
        nobody from going on: they are appended later then (`DurableStore.append`). Other stores are given none.
        """
        ...


class Notices(Protocol):
    """The queue of notices that people are sent: a row for each user and kind. Each method is a transaction."""

    def claim(self, now: float) -> ClaimedNotice | None:
        """The next notice that is due, for this process alone until `LEASE` is over."""
        ...

    def settle(self, claimed: ClaimedNotice, now: float, again: float | None = None) -> None:
        """End a claim: the notice was sent or given up, or is to be tried `again` (epoch seconds)."""
        ...

    def tidy(self, now: float) -> dict[str, int]:
        """Drop what is more than the queue holds, and forget users of whom nothing waits: what was dropped, by kind."""
        ...


class DurableStore(Store, Protocol):
    """What must survive: accounts, signing keys, the log of revocations."""

    def check_schema(self) -> int:
        """The version of the schema; nothing is opened or changed. For a thread: it waits.

        Raises:
            ConfigurationError: this release does not work on it, or there is nothing yet.
        """
        ...

    def upgrade_schema(self) -> int:
        """Bring the schema to the newest version, all or nothing; that version. For a thread: it waits."""
        ...

    async def account(self, user: User) -> Account:
        """One user, as they are now; an account that was never written is empty."""
        ...

    async def change_account(
        self, user: User, decide: DecideAccount[T], rows: Rows[T] = no_rows, *, spared: str | None = None
    ) -> T:
        """Read, decide, write. A generation that goes up is written into the log of revocations with it.

        Args:
            user: whose account.
            decide: the account as it is, to what it shall be and a result.
            rows: what is written into the audit table with it; without them nothing is changed, for what cannot be
                told is not done.
            spared: the `jti` of the one elevated token that goes on where the generation of proofs goes up.

        Raises:
            CredentialTaken: a new credential is enrolled already, by this user or another (WebAuthn §7.1).
        """
        ...

    async def forget_account(self, user: User, rows: Sequence[Row] = (), *, audited: User | None = None) -> Account:
        """Delete all that is kept of a user; what they had has ended, and the log says so.

        Args:
            user: who.
            rows: what is written into the audit table with it; without them nothing is deleted.
            audited: the user as the audit table names them, whose rows are deleted; `user` by default.

        Returns:
            What the account is from now on: nothing, but for its next generations.
        """
        ...

    async def settled_at(self, user: User, now: float) -> int | None:
        """Until when (epoch seconds) some things stay closed to a user after a reset; `None` where nothing does.

        Whoever reads the account first and this next knows of every reset that the account does.
        """
        ...

    async def authenticators_after(self, id: str, limit: int) -> list[tuple[User, AuthenticatorRecord]]:
        """This issuer's authenticators whose id is greater, at most `limit`, in the order of their ids.

        With "" it begins; so that work over all users is done in pieces, and can be taken up again.
        """
        ...

    async def use(self, use: Use) -> bool:
        """Compare-and-set what a proof uses up; whether this was the first use."""
        ...

    async def change_signing_keys(self, decide: DecideKeys[T]) -> T:
        """Read this issuer's signing keys, the newest first, decide, write; under the schema's lock."""
        ...

    async def revoke(self, entry: Revocation, rows: Sequence[Row] = ()) -> bool:
        """Append to the log, durably; what is there already is not written again. Whether it is new.

        `rows` are written with it, if it is. That the audit table cannot be written keeps nothing from ending: they are
        appended later then.
        """
        ...

    def revocations_after(self, number: int, now: float) -> list[Revocation]:
        """The entries of this issuer with a higher number, in order, until `GRACE` after they are dead. It may wait."""
        ...

    async def secret(self, name: str, made: bytes) -> bytes:
        """A random value of this storage, made once: `made`, or what another process made before."""
        ...

    def append(self, rows: Sequence[Row]) -> None:
        """Have `tidy` write these to the audit table. It neither waits nor fails; what is too much is counted."""
        ...

    @property
    def unlogged(self) -> int:
        """Rows of the audit table that were lost by this process: the table could not be written for too long."""
        ...

    def with_notices(self, work: Callable[[Notices], T]) -> T:
        """Do some work with the queue of notices. For a thread: it waits.

        Raises:
            ConfigurationError: the schema has no queue yet.
        """
        ...

    async def audited(self, user: User) -> list[AuditRow]:
        """What the audit table says of a user, the oldest first."""
        ...


class Storage(Protocol):
    """Where a deployment keeps everything: one database, or a durable and a one-time store."""

    @property
    def durable(self) -> DurableStore:
        """What must survive."""
        ...

    @property
    def one_time(self) -> OneTimeStore:
        """What several requests compete for."""
        ...

    @property
    def stores(self) -> tuple[Store, ...]:
        """All of them, each once, in the order in which they are opened."""
        ...

    @property
    def is_one(self) -> bool:
        """Whether one transaction spans all of it; where not, the one-time store is given no rows for the table."""
        ...

    async def settle(
        self, use: Use, keys: Sequence[OneTimeKey], decide: DecideUsed[T], now: float, rows: Rows[T] = no_rows
    ) -> T:
        """Write what a right answer uses up, then its outcome. In one database that is one transaction, with `rows`."""
        ...


class TwoStores:
    """A durable and a one-time store. No transaction spans both, so what is used up is written first.

    A crash in between costs the person that code, and gives nobody a token.
    """

    def __init__(self, durable: DurableStore, one_time: OneTimeStore) -> None:
        self.durable = durable
        self.one_time = one_time
        self.stores: tuple[Store, ...] = (durable, one_time)
        self.is_one = False

    async def settle(
        self, use: Use, keys: Sequence[OneTimeKey], decide: DecideUsed[T], now: float, rows: Rows[T] = no_rows
    ) -> T:
        """First, durably, what is used up; then the outcome. There are no rows: no transaction spans both."""
        first = await self.durable.use(use)
        return await self.one_time.update_many(keys, lambda found: decide(found, first), now)


async def use_once(store: OneTimeStore, keys: Sequence[OneTimeKey], expires_at: float, now: float) -> OneTimeKey | None:
    """Use all `keys` up, or none of them: the first one that was used before, or `None`."""
    used = Record(value=b"", expires_at=expires_at, used=True)

    def decide(found: Found) -> tuple[Kept, OneTimeKey | None]:
        before = next((key for key in keys if key in found), None)
        return ({}, before) if before is not None else (dict.fromkeys(keys, used), None)

    return await store.update_many(keys, decide, now)
