"""All that is sealed in a storage: which secret key it needs, and sealing it anew under the newest one."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from upstile.protocol import MalformedMessage, base64url_decode, base64url_encode
from upstile.server._errors import ConfigurationError
from upstile.server.keys._rotation import Keys
from upstile.server.keys._seal import SEALED, SIGNING_KEY, Seal
from upstile.server.keys._signing import bound_to
from upstile.server.storage._records import Account, AuthenticatorRecord, User
from upstile.server.storage._stores import DurableStore

PAGE = 200
"""Authenticators that are read at a time."""


class SealedField(NamedTuple):
    """A sealed member of an authenticator's data."""

    user: User
    id: str
    name: str
    text: str

    @property
    def label(self) -> str:
        """The kind of value."""
        return SEALED[self.name]

    @property
    def bound(self) -> tuple[str, ...]:
        """Where it belongs."""
        return (*self.user, self.id, self.name)


@dataclass(kw_only=True)
class Needs:
    """What a storage needs secret keys for.

    Attributes:
        counts: how many values of a label need a key, by its name.
        unreadable: values that are in no form that we know, by label.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    unreadable: Counter[str] = field(default_factory=Counter[str])

    @property
    def keys(self) -> frozenset[str]:
        """The names of all keys that something needs."""
        return frozenset(name for _, name in self.counts)

    def of(self, name: str) -> int:
        """How many values need a key."""
        return sum(number for (_, needed), number in self.counts.items() if needed == name)

    def note(self, seal: Seal, label: str, sealed: bytes) -> None:
        """Count a value, without opening it."""
        try:
            self.counts[label, seal.needs(sealed)] += 1
        except ConfigurationError:
            self.unreadable[label] += 1


@dataclass(kw_only=True)
class Resealed:
    """What sealing anew did.

    Attributes:
        done: values that are under the newest key now.
        current: those that were already.
        failed: why a value was left as it is, by what it is.
    """

    done: int = 0
    current: int = 0
    failed: dict[str, str] = field(default_factory=dict[str, str])


async def needs(store: DurableStore, seal: Seal) -> Needs:
    """Count which secret key each sealed value needs. Nothing is opened."""
    found = Needs()
    for record in await signing_keys(store):
        found.note(seal, SIGNING_KEY, record.sealed)
    async for value in _fields(store):
        found.note(seal, value.label, _bytes(value.text))
    return found


async def reseal(store: DurableStore, seal: Seal, issuer: str, told: Callable[[Resealed], None]) -> Resealed:
    """Seal anew what needs an older key, beside running servers.

    Each value is a transaction of its own that changes it only where it still is what was read. What is done is done:
    a run that was cut off is begun again and finds less to do.

    Args:
        store: where the values are.
        seal: its first key is the newest.
        issuer: our issuer identifier.
        told: is called with the state of the work after each piece.
    """
    work = Resealed()
    await _reseal_signing_keys(store, seal, issuer, work)
    told(work)
    async for value in _fields(store):
        await _reseal_field(store, seal, value, work)
        told(work)
    return work


async def signing_keys(store: DurableStore) -> Keys:
    """The records of this issuer's signing keys."""
    return await store.change_signing_keys(lambda keys: (keys, keys))


async def _reseal_signing_keys(store: DurableStore, seal: Seal, issuer: str, work: Resealed) -> None:
    anew: dict[bytes, bytes] = {}
    for record in await signing_keys(store):
        sealed = _anew(seal, record.sealed, SIGNING_KEY, bound_to(issuer, record.kid), record.kid, work)
        if sealed is not None:
            anew[record.sealed] = sealed

    def decide(keys: Keys) -> tuple[Keys, int]:
        kept = [replace(key, sealed=anew.get(key.sealed, key.sealed)) for key in keys]
        return kept, sum(key.sealed in anew for key in keys)

    if anew:
        work.done += await store.change_signing_keys(decide)


async def _reseal_field(store: DurableStore, seal: Seal, value: SealedField, work: Resealed) -> None:
    sealed = _anew(seal, _bytes(value.text), value.label, value.bound, value.id, work)
    if sealed is None:
        return
    text = base64url_encode(sealed)

    def decide(account: Account) -> tuple[Account, int]:
        kept = [_replaced(record, value, text) for record in account.authenticators]
        changed = sum(one is not other for one, other in zip(kept, account.authenticators, strict=True))
        return (replace(account, authenticators=tuple(kept)) if changed else account), changed

    work.done += await store.change_account(value.user, decide)


def _replaced(record: AuthenticatorRecord, value: SealedField, text: str) -> AuthenticatorRecord:
    if record.id != value.id or record.data.get(value.name) != value.text:
        return record
    return replace(record, data={**record.data, value.name: text})


def _anew(seal: Seal, sealed: bytes, label: str, bound: tuple[str, ...], id: str, work: Resealed) -> bytes | None:
    """The value under the newest key; `None` where it is already, or cannot be opened."""
    try:
        if seal.needs(sealed) == seal.current:
            work.current += 1
            return None
        return seal.close(seal.open(sealed, label=label, bound=bound), label=label, bound=bound)
    except ConfigurationError as error:
        work.failed[f"{label} {id}"] = str(error)
        return None


async def _fields(store: DurableStore) -> AsyncIterator[SealedField]:
    last = ""
    while page := await store.authenticators_after(last, PAGE):
        for user, record in page:
            for name in SEALED.keys() & record.data.keys():
                yield SealedField(user, record.id, name, str(record.data[name]))
        last = page[-1][1].id


def _bytes(text: str) -> bytes:
    """The sealed value; nothing, which is no sealed value, where the text is damaged."""
    try:
        return base64url_decode(text)
    except MalformedMessage:
        return b""
