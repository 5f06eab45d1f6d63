"""What is counted for one user, in one record (upstile profile §7); the rules over it are in `_budgets.py`."""

from dataclasses import dataclass, field
from math import ceil

from upstile.server.authorization._json import Json
from upstile.server.authorization._lives import KNOWN_FOR
from upstile.server.storage import Record


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Wrong answers in a row on one side.

    Attributes:
        wrong: how many.
        until: when the lock in force ends (epoch seconds).
        locks: when the locks of the last day began, the oldest first.
    """

    wrong: int = 0
    until: float = 0
    locks: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownKey:
    """A key that got an authorization code for this user.

    Attributes:
        row: its own wrong answers in a row.
        wrong: its wrong answers without a success in between.
        authenticators: those that its last ceremony used.
        successes: how many ceremonies it completed.
        last_used: when it completed the last one (epoch seconds).
        starts: when it started ceremonies, the oldest first.
        sign_outs: when base logins of it were signed out, the oldest first.
        sends, failed_sends: when it had codes sent, and when that failed, the oldest first.
    """

    row: Row = Row()
    wrong: int = 0
    sign_outs: tuple[float, ...] = ()
    authenticators: tuple[str, ...] = ()
    successes: int = 0
    last_used: float
    starts: tuple[float, ...] = ()
    sends: tuple[float, ...] = ()
    failed_sends: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """What unknown keys did with one base login.

    Attributes:
        wrong: their wrong answers in a row.
        starts: when they started ceremonies, the oldest first.
        expires_at: when the login is dead anyway (epoch seconds).
    """

    wrong: int = 0
    starts: tuple[float, ...] = ()
    expires_at: int


@dataclass(frozen=True, kw_only=True, slots=True)
class UserState:
    """What is counted for one user, in one record.

    Attributes:
        unknown: the row that all unknown keys share.
        known: the known keys, by thumbprint.
        logins: the base logins that unknown keys used, by `sid`.
        starts: when unknown keys started ceremonies that offer what can be guessed, the oldest first.
        failures: wrong answers by unknown keys, by authenticator.
        sign_outs: when base logins of unknown keys were signed out, the oldest first.
        sends, failed_sends: when unknown keys had codes sent, and when that failed, the oldest first.
        first_sends: when anybody had a first code sent to a new place, the oldest first.
        first_login, first_proof: the generations that are still good; a copy of those in the account.
        seen: whether the user ever signed in; a name that the help desk misspelt never did.
    """

    unknown: Row = Row()
    known: dict[str, KnownKey] = field(default_factory=dict[str, KnownKey])
    logins: dict[str, Login] = field(default_factory=dict[str, Login])
    starts: tuple[float, ...] = ()
    failures: dict[str, int] = field(default_factory=dict[str, int])
    sign_outs: tuple[float, ...] = ()
    sends: tuple[float, ...] = ()
    failed_sends: tuple[float, ...] = ()
    first_sends: tuple[float, ...] = ()
    first_login: int = 0
    first_proof: int = 0
    seen: bool = False

    @classmethod
    def read(cls, record: Record | None) -> "UserState":
        """The state in a record; of a user without one nothing was counted."""
        return cls() if record is None else _json.read(record.value)

    def record(self, now: float) -> Record:
        """The record to keep, until the end of a day: most writes leave its end, and with it an index, as it is."""
        return Record(value=_json.write(self), expires_at=_DAY * ceil((now + KNOWN_FOR) / _DAY), used=True)


_json = Json(UserState)
_DAY = 24 * 3600.0
