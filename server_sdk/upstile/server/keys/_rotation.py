"""When a signing key is published, signs, and goes: plain functions over the records of one issuer.

    published ──10 min──▶ signs ──until a newer one signs──▶ verifies ──13 h──▶ gone

A key is in the JWK Set from its making to its end. Clocks of nodes may differ by minutes: a key is known everywhere
long before it signs, and stays for an hour after the last token that it signed is dead.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, TypeVar

from upstile.server.storage._records import SigningKeyRecord

PUBLISHED_AHEAD = 600
"""Seconds for which a key is published before it signs, so that who caches the JWK Set has it by then."""
VERIFIES_AFTER = 13 * 3600
"""Seconds for which a key verifies after it signed last: a base login's twelve hours, and one more."""
ROTATED_AFTER = 90 * 86_400
"""Seconds after which a newer key is made, unless the deployment says otherwise."""

Keys = Sequence[SigningKeyRecord]
Phase = Literal["published", "signing", "verifying"]


class HasTurn(Protocol):
    """What signs from a time on."""

    @property
    def signs_from(self) -> int:
        """Epoch seconds."""
        ...


T = TypeVar("T", bound=HasTurn)


class KeyLife(NamedTuple):
    """Where in its life a signing key is.

    Attributes:
        until: when it is removed, for one that signs no more (epoch seconds).
    """

    record: SigningKeyRecord
    phase: Phase
    until: int | None


def first(keys: Keys, fresh: SigningKeyRecord) -> tuple[Keys, Keys]:
    """The first key of an issuer signs at once: no token is known yet, and nobody has cached a JWK Set."""
    kept = keys or [fresh]
    return kept, kept


def rotated(keys: Keys, fresh: SigningKeyRecord, now: float, older_than: float = 0) -> tuple[Keys, Keys]:
    """Add `fresh`, unless a key waits for its turn already or the newest one is younger than `older_than` seconds.

    Of two that rotate at once the second finds the first one's key and adds none.
    """
    newest = newest_first(keys)[:1]
    young = any(now < key.signs_from or now < key.created + older_than for key in newest)
    kept = living(keys if young else [fresh, *keys], now)
    return kept, kept


def living(keys: Keys, now: float) -> Keys:
    """The keys without those whose last token is dead."""
    ordered = newest_first(keys)
    return [key for key, newer in zip(ordered, [None, *ordered], strict=False) if not _ended(newer, now)]


def whose_turn(ordered: Sequence[T], now: float) -> T:
    """Which of the keys, the newest first, signs: the newest whose time has come.

    A clock that is behind all of them takes the oldest, which is the one that every node knows.
    """
    return next((key for key in ordered if key.signs_from <= now), ordered[-1])


def lives(keys: Keys, now: float) -> list[KeyLife]:
    """Each key with where it is in its life, the newest first."""
    if not keys:
        return []
    ordered = newest_first(keys)
    current = whose_turn(ordered, now)
    found: list[KeyLife] = []
    for key, newer in zip(ordered, [None, *ordered], strict=False):
        if key is current:
            found.append(KeyLife(key, "signing", None))
        elif newer is None or now < key.signs_from:
            found.append(KeyLife(key, "published", None))
        else:
            found.append(KeyLife(key, "verifying", newer.signs_from + VERIFIES_AFTER))
    return found


def newest_first(keys: Keys) -> list[SigningKeyRecord]:
    """The keys by the time from which they sign."""
    return sorted(keys, key=lambda key: (key.signs_from, key.created, key.kid), reverse=True)


def _ended(newer: SigningKeyRecord | None, now: float) -> bool:
    return newer is not None and now >= newer.signs_from + VERIFIES_AFTER
