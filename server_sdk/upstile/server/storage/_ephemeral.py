"""One-time state: auth sessions, codes, counters, consumed tokens. Every operation is atomic.

A store has one primitive, `update`: read a record, let a pure function decide, write what it says, with nobody in
between. What a counter, a lock or a one-time value is, is therefore said in plain functions, once, for every store.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A value and when it is forgotten (epoch seconds)."""

    value: bytes
    expires_at: float


Change = Callable[[Record | None], tuple[Record | None, T]]
"""Given the live record or `None`: the record to keep (`None` deletes) and what `update` returns. A store may call
it more than once before one result is kept, so it must be pure."""


class EphemeralStore(Protocol):
    """State that several calls compete for.

    Every method raises `StorageUnavailable` when the store cannot be reached.
    """

    async def prepare(self) -> None:
        """Make the store ready; called once before anything else, harmless when called again."""
        ...

    async def get(self, key: str, now: float) -> Record | None:
        """The live record of a key."""
        ...

    async def update(self, key: str, change: Change[T], now: float) -> T:
        """Apply `change` atomically."""
        ...

    async def keys(self, prefix: str, now: float) -> list[str]:
        """All keys of live records that begin with `prefix`."""
        ...

    async def ping(self) -> None:
        """Whether the store can be read; raises if not."""
        ...

    async def aclose(self) -> None:
        """Give back what the store holds."""
        ...


async def use_once(store: EphemeralStore, key: str, expires_at: float, now: float) -> bool:
    """Whether this is the first use of `key`; it is remembered until `expires_at`."""
    used = Record(value=b"", expires_at=expires_at)
    return await store.update(key, lambda found: (used, True) if found is None else (found, False), now)


async def take(store: EphemeralStore, key: str, now: float, *, only: bytes) -> bool:
    """Whether `key` had the value `only`; it is gone afterwards, so one caller is told so. Another value stays."""
    return await store.update(
        key, lambda found: (None, True) if found is not None and found.value == only else (found, False), now
    )


async def increment(store: EphemeralStore, key: str, expires_at: float, now: float) -> int:
    """Count one more under `key`; the first count decides when it is forgotten."""

    def one_more(found: Record | None) -> tuple[Record, int]:
        count = 1 + (int(found.value) if found else 0)
        return Record(value=b"%d" % count, expires_at=found.expires_at if found else expires_at), count

    return await store.update(key, one_more, now)
