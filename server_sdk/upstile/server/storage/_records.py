"""What is kept, as plain data: the rules over it live where they belong, the stores only carry it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, NewType

OneTimeKey = NewType("OneTimeKey", str)
"""Where a record of one-time state lies. Only `Names` makes one, so that every key carries the issuer."""

GRACE = 3600.0
"""Seconds for which a record that means "used" stays after it expired: a clock that was ahead and is set back must not
let in again what was used up."""
ENDS_AFTER = 13 * 3600
"""Seconds for which the log says that a generation ended: the longest life of a token, twelve hours, and one more."""

LONGEST_NAME = 512
"""Characters of a name that a store keeps: of an issuer, of a user."""


class User(NamedTuple):
    """A user: an issuer's `sub` means nothing without the issuer."""

    issuer: str
    subject: str


class Record(NamedTuple):
    """A value of one-time state.

    Attributes:
        value: opaque to the store; no `repr` shows it.
        expires_at: from then on it is as if it were not there, by the caller's clock (epoch seconds).
        used: its absence would let something in again, so it is kept for `GRACE` longer.
    """

    value: bytes
    expires_at: float
    used: bool = False

    def __repr__(self) -> str:
        return f"Record(expires_at={self.expires_at}, used={self.used})"

    @property
    def kept_until(self) -> float:
        """When a store may sweep it away (epoch seconds)."""
        return self.expires_at + GRACE if self.used else self.expires_at


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthenticatorRecord:
    """One enrolled, or not yet verified, credential of a user.

    Attributes:
        id: random, unique.
        data: what its method keeps; secrets in it are sealed.
        counter: what only goes up: the last TOTP step, or the sign count of a security key.
        closed: 100 wrong answers by unknown keys: only known keys are offered it.
        transports: how a security key says that it can be reached (WebAuthn §5.8.4): a hint from outside.
        begun_by: for a pending one: which base login and key began it.
        first: for a pending one: it was begun because none was active, so it may become active only while that is so.
        expires_at: for a pending one: when it is forgotten (epoch seconds).
        created, last_used: epoch seconds.
    """

    id: str
    method: str
    name: str
    state: Literal["pending", "active", "disabled"]
    created: int
    data: Mapping[str, Any]
    counter: int = 0
    closed: bool = False
    transports: tuple[str, ...] = ()
    last_used: int | None = None
    begun_by: str | None = None
    first: bool = False
    expires_at: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """What outlives a restart of one user.

    Attributes:
        authenticators: the oldest first, expired pending ones included.
        logins, proofs: the generations of base logins and of elevated tokens; what is of an earlier one has ended.
    """

    user: User
    authenticators: tuple[AuthenticatorRecord, ...] = ()
    logins: int = 0
    proofs: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """What a right answer uses up, written by compare-and-set: the authenticator is still active, its counter lower.

    Attributes:
        user, id: whose authenticator.
        counter: the step or sign count from now on; where it and the stored one are 0, there is none to compare.
        back_from: where it is set, the stored counter is this one instead of lower: one that went back and is accepted.
        data: what the method learnt, `None` where nothing changed.
        at: when (epoch seconds).
    """

    user: User
    id: str
    counter: int
    at: int
    back_from: int | None = None
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningKeyRecord:
    """A signing key of one issuer.

    Attributes:
        sealed: its private half, encrypted.
        created: epoch seconds.
        signs_from: from then on it signs, until a newer one does (epoch seconds).
    """

    kid: str
    sealed: bytes = field(repr=False)
    created: int
    signs_from: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Revocation:
    """One entry of the log of what ended before its time.

    Attributes:
        kind: `token` (a `jti`) and `login` (a `sid`) name one thing; `logins` and `proofs` end all generations of a
            user below `below`; `spared` is the one token that goes on through such an end of proofs, because it asked
            for it. It stands before that end; `settling` says that `name` was reset, and until when that matters.
        name: the `jti`, the `sid`, or the user's `sub`.
        expires_at: when it is dead anyway (epoch seconds).
        number: its place in the log; numbers become visible in their order. 0 until it is written.
    """

    kind: Literal["token", "login", "logins", "proofs", "spared", "settling"]
    name: str
    expires_at: int
    below: int = 0
    number: int = 0


class NoticeRow(NamedTuple):
    """Something that a user is to be told by mail. What waits of one kind for one user is one row of the queue.

    Attributes:
        issuer: ours.
        subject: who is told.
        kind: what happened.
        at: when (epoch seconds).
        detail: what else is said of it.
    """

    issuer: str
    subject: str
    kind: str
    at: float
    client_id: str | None = None
    method: str | None = None
    address: str | None = None
    detail: str | None = None


class AuditRow(NamedTuple):
    """A row of the audit table: texts that are cut to their columns and hold no control characters.

    Attributes:
        issuer: ours.
        at: when (epoch seconds).
        kind: what.
        outcome: `success`, `failure` or `unknown`.
        subject: whose account.
    """

    issuer: str
    at: float
    kind: str
    outcome: str
    subject: str | None = None
    client_id: str | None = None
    method: str | None = None
    ceremony: str | None = None
    instance: str | None = None
    route: str | None = None
    requirement: str | None = None
    address: str | None = None
    reason: str | None = None
    detail: str | None = None
    by: str | None = None


class Settling(NamedTuple):
    """That a user's authenticators were reset, so that some things stay closed to them.

    Attributes:
        subject: whose.
        until: when they open (epoch seconds); of several resets the latest counts.
    """

    subject: str
    until: int


Row = AuditRow | NoticeRow | Settling
"""What is told with a change, in its transaction. A `Settling` goes with a change of an account only."""
