"""What the help desk does for a person: a way back, an end to what was stolen, an answer to what is stored.

It acts on its own word, so each call says who asks (`by`) and why (`reason`); both are told with the event.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from inspect import isawaitable
from typing import Any

from upstile.protocol import spoken_code
from upstile.server._errors import UnknownUser
from upstile.server.audit import EventKind, Events, SecurityEvent, stored_subject
from upstile.server.authorization._lives import ENROLMENT_CODE_LIFE, LOGIN_LIFE, LONGEST_TOKEN_LIFE
from upstile.server.authorization._sign_in import check_subject
from upstile.server.authorization._spoken_code import new_code
from upstile.server.authorization.enrolment._enrolment_rights import enrolment_code_for
from upstile.server.authorization.user._account import at_least, disabled, signed_out, unchanged
from upstile.server.authorization.user._closing import Closings
from upstile.server.authorization.user._cooling import CoolingOff
from upstile.server.authorization.user._ends import Ends
from upstile.server.authorization.user._user_state import UserState
from upstile.server.storage import Account, AuthenticatorRecord, Names, Record, Revocations, Storage, User

Users = Callable[[str], bool | Awaitable[bool]]
"""The application's hook: whether there is a user of this name."""

_OPEN_DATA = frozenset({"id", "public_key", "aaguid", "device_type", "backed_up", "hint", "left"})
"""What a method keeps that is no secret. A seed is one, sealed or not."""

_NOTHING = UserState()
_log = logging.getLogger("upstile.server")


@dataclass(frozen=True, kw_only=True, slots=True)
class UserStatus:
    """What this server had of a user when the help desk asked.

    Attributes:
        subject: the user.
        seen: whether it had anything: who never signed in nor enrolled here may be misspelt.
        authenticators: how many were in use.
        enrolled: how many were in use or had been taken out of it; where there were none, a new sign-in enrols a first
            one without an enrolment code.
    """

    subject: str
    seen: bool
    authenticators: int
    enrolled: int


class HelpDesk:
    """Acts for users.

    Args:
        issuer: our issuer identifier.
        storage: everything that is kept of users.
        names: makes the keys of one-time state.
        revocations: what has ended.
        ends: makes ends known.
        closings: open what wrong answers closed.
        cooling: closes some things for a while after a reset.
        events: is told.
        users: knows who exists; `None`: nobody does, and a user who was never seen is only told of.
        clock: the time in epoch seconds.
    """

    def __init__(
        self,
        *,
        issuer: str,
        storage: Storage,
        names: Names,
        revocations: Revocations,
        ends: Ends,
        closings: Closings,
        cooling: CoolingOff,
        events: Events,
        users: Users | None,
        clock: Callable[[], float],
    ) -> None:
        self._issuer = issuer
        self._storage = storage
        self._names = names
        self._revocations = revocations
        self._ends = ends
        self._closings = closings
        self._cooling = cooling
        self._events = events
        self._users = users
        self._clock = clock

    async def status(self, subject: str) -> UserStatus:
        """Whether the user was seen here.

        Raises:
            UnknownUser: they were not, and the application knows nobody of this name.
        """
        return _status(*await self._look(subject))

    async def enrolment_code(self, subject: str, *, by: str | None = None, reason: str | None = None) -> str:
        """A code that lets the user enrol a first authenticator: single use, ten minutes, over a safe channel."""
        account, _ = await self._look(subject)
        account, _ = at_least(account, *self._revocations.first_good(account.user))
        code, now = new_code(), self._clock()
        key, value = self._names("enrolment", spoken_code(code)), enrolment_code_for(subject, account.logins)
        record = Record(value=value, expires_at=now + ENROLMENT_CODE_LIFE)
        event = await self._written("enrolment-code-issued", subject, by, reason)
        await self._storage.one_time.update_many([key], lambda _: ({key: record}, None), now)
        await self._events.tell(event, written=True)
        return code

    async def disable_authenticators(
        self, subject: str, *, by: str | None = None, reason: str | None = None
    ) -> UserStatus:
        """Take all that a user has enrolled out of use, and end what came of it: sign-ins, tokens, known keys."""
        found = await self._look(subject)
        event = self._event("authenticator-disabled", subject, by, reason)
        rows, begun = self._events.rows(event), self._cooling.begun(self._user(subject), self._clock())
        account = await self._storage.durable.change_account(
            self._user(subject), disabled, lambda after: (*rows, *(begun.rows if after.authenticators else ()))
        )
        await self._ends.spread(account, self._clock(), gone=None, signed_out=True)
        await self._events.tell(event, written=True)
        if account.authenticators:
            await self._cooling.tell(begun)
        return _status(*found)

    async def end_sessions(self, subject: str, *, by: str | None = None, reason: str | None = None) -> UserStatus:
        """End all sign-ins and tokens of a user, and forget all keys. What is enrolled stays."""
        found = await self._look(subject)
        event = self._event("sessions-ended", subject, by, reason)
        rows = self._events.rows(event)
        account = await self._storage.durable.change_account(self._user(subject), signed_out, lambda _: rows)
        await self._ends.spread(account, self._clock(), gone=None, signed_out=True)
        await self._events.tell(event, written=True)
        return _status(*found)

    async def unlock(self, subject: str, *, by: str | None = None, reason: str | None = None) -> UserStatus:
        """Let new devices try again: open what was closed to them, and end their lock."""
        found = await self._look(subject)
        event = await self._written("user-unlocked", subject, by, reason)
        await self._closings.unlock(self._user(subject), self._clock())
        await self._events.tell(event, written=True)
        return _status(*found)

    async def describe(self, subject: str) -> dict[str, Any]:
        """All that is stored under the user's name, without secrets, as JSON would hold it.

        What ends by itself within hours and is stored under no name (sign-ins, ceremonies, codes) is not in it.
        """
        account, state = await self._look(subject)
        return {
            "issuer": self._issuer,
            "subject": subject,
            "seen": _status(account, state).seen,
            "at": int(self._clock()),
            "generations": {"logins": account.logins, "proofs": account.proofs},
            "authenticators": [_described(record) for record in account.authenticators],
            "counted": None if state is None else asdict(state),
            "audit": [row._asdict() for row in await self._storage.durable.audited(self._audited(subject))],
        }

    async def export(self, subject: str, *, by: str | None = None, reason: str | None = None) -> dict[str, Any]:
        """The same for the person whose data it is; that it was handed out is told."""
        stored = await self.describe(subject)
        await self._events.tell(await self._written("user-exported", subject, by, reason), written=True)
        return stored

    async def forget_user(self, subject: str, *, by: str | None = None, reason: str | None = None) -> UserStatus:
        """Delete all that is stored under the user's name; what they had has ended.

        For as long as a token could have lived, 13 hours, the log says that they are dead, and so by what number a
        user of this name goes on.
        """
        found, user, now = await self._look(subject), self._user(subject), self._clock()
        event = self._event("user-forgotten", subject, by, reason)
        rows = (*self._events.rows(event), *self._cooling.unannounced(user, now))  # what stays
        forgotten = await self._storage.durable.forget_account(user, rows, audited=self._audited(subject))
        account, _ = at_least(forgotten, *self._revocations.first_good(user))
        until, key = now + LOGIN_LIFE + LONGEST_TOKEN_LIFE, self._names("user", subject)
        self._revocations.ended(account, until, signed_out_at=now)
        nothing = UserState(first_login=account.logins, first_proof=account.proofs)
        left = nothing.record(now)._replace(expires_at=until)
        await self._storage.one_time.update_many([key], lambda _: ({key: left}, None), now)
        await self._events.tell(event, written=True)
        return _status(*found)

    async def _look(self, subject: str) -> tuple[Account, UserState | None]:
        check_subject(subject)
        key, now = self._names("user", subject), self._clock()
        account = await self._storage.durable.account(self._user(subject))
        record = (await self._storage.one_time.get_many([key], now)).get(key)
        state = None if record is None else UserState.read(record)
        if not _status(account, state).seen:
            await self._say_unseen(subject)
        return account, state

    async def _say_unseen(self, subject: str) -> None:
        if self._users is None:
            _log.warning("the help desk acts for %r, whom this server has never seen", subject)
            return
        exists = self._users(subject)
        if not (await exists if isawaitable(exists) else exists):
            raise UnknownUser(f"there is no user {subject!r}: nothing was done")

    def _user(self, subject: str) -> User:
        return User(self._issuer, subject)

    def _audited(self, subject: str) -> User:
        return User(self._issuer, stored_subject(subject))

    def _event(self, kind: EventKind, subject: str, by: str | None, reason: str | None) -> SecurityEvent:
        return SecurityEvent(kind=kind, user=self._user(subject), at=self._clock(), by=by, reason=reason)

    async def _written(self, kind: EventKind, subject: str, by: str | None, reason: str | None) -> SecurityEvent:
        """Write first what is about to be done: what cannot be told is not done."""
        event = self._event(kind, subject, by, reason)
        rows = self._events.rows(event)
        await self._storage.durable.change_account(self._user(subject), unchanged, lambda _: rows)
        return event


def _status(account: Account, state: UserState | None) -> UserStatus:
    counted = replace(state or _NOTHING, first_login=0, first_proof=0) != _NOTHING  # an end is kept of any name
    return UserStatus(
        subject=account.user.subject,
        seen=bool(account.authenticators) or counted,
        authenticators=sum(record.state == "active" for record in account.authenticators),
        enrolled=sum(record.state != "pending" for record in account.authenticators),
    )


def _described(record: AuthenticatorRecord) -> dict[str, Any]:
    return {**asdict(record), "data": {name: value for name, value in record.data.items() if name in _OPEN_DATA}}
