"""A durable store in memory, for tests of what is built on the contract: it gives way where a real one waits."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from upstile.server import StorageUnavailable
from upstile.server.storage._records import (
    Account,
    AuditRow,
    AuthenticatorRecord,
    Revocation,
    Row,
    SigningKeyRecord,
    Use,
    User,
)
from upstile.server.storage._stores import DecideAccount, DecideKeys, Notices, Rows, no_rows

T = TypeVar("T")


@dataclass
class MemoryLedger:
    """Any number of nodes may share one.

    Attributes:
        calls: how often each method was called.
        away: whether it answers that it cannot be reached.
    """

    keys: Sequence[SigningKeyRecord] = ()
    accounts: dict[User, Account] = field(default_factory=dict[User, Account])
    calls: Counter[str] = field(default_factory=Counter[str])
    away: bool = False
    closed: int = 0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def prepare(self) -> None:
        await self._reached("prepare")

    def check_schema(self) -> int:
        raise NotImplementedError

    def upgrade_schema(self) -> int:
        raise NotImplementedError

    async def account(self, user: User) -> Account:
        await self._reached("account")
        return self.accounts.get(user, Account(user=user))

    async def change_account(
        self, user: User, decide: DecideAccount[T], rows: Rows[T] = no_rows, *, spared: str | None = None
    ) -> T:
        await self._reached("change_account")
        async with self._lock:
            found = self.accounts.get(user, Account(user=user))
            decide(found)  # a store may call it more than once
            await asyncio.sleep(0)
            self.accounts[user], result = decide(found)
            return result

    async def forget_account(self, user: User, rows: Sequence[Row] = (), *, audited: User | None = None) -> Account:
        raise NotImplementedError

    async def use(self, use: Use) -> bool:
        raise NotImplementedError

    async def change_signing_keys(self, decide: DecideKeys[T]) -> T:
        await self._reached("change_signing_keys")
        async with self._lock:
            decide(self.keys)  # a store may call it more than once
            await asyncio.sleep(0)
            self.keys, result = decide(self.keys)
            await asyncio.sleep(0)
            return result

    async def settled_at(self, user: User, now: float) -> int | None:
        raise NotImplementedError

    async def authenticators_after(self, id: str, limit: int) -> list[tuple[User, AuthenticatorRecord]]:
        await self._reached("authenticators_after")
        found = [(user, record) for user, account in self.accounts.items() for record in account.authenticators]
        return sorted((pair for pair in found if pair[1].id > id), key=lambda pair: pair[1].id)[:limit]

    async def revoke(self, entry: Revocation, rows: Sequence[Row] = ()) -> bool:
        raise NotImplementedError

    def revocations_after(self, number: int, now: float) -> list[Revocation]:
        raise NotImplementedError

    async def secret(self, name: str, made: bytes) -> bytes:
        raise NotImplementedError

    def append(self, rows: Sequence[Row]) -> None:
        raise NotImplementedError

    @property
    def unlogged(self) -> int:
        return 0

    def with_notices(self, work: Callable[[Notices], T]) -> T:
        raise NotImplementedError

    async def audited(self, user: User) -> list[AuditRow]:
        raise NotImplementedError

    async def ping(self) -> None:
        await self._reached("ping")

    async def time(self) -> float | None:
        return None

    def tidy(self, now: float) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        self.closed += 1

    def add(self, user: User, *records: AuthenticatorRecord) -> None:
        """Enrol something."""
        account = self.accounts.get(user, Account(user=user))
        self.accounts[user] = replace(account, authenticators=(*account.authenticators, *records))

    async def _reached(self, call: str) -> None:
        self.calls[call] += 1
        await asyncio.sleep(0)
        if self.away:
            raise StorageUnavailable("the database cannot be reached")
