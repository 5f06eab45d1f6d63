"""What every request of the authenticators endpoint does: who asks is known, and may; what is changed is told."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import TypeVar

from upstile.protocol import MalformedMessage, Message, Requirement
from upstile.server._allowance import Allowance
from upstile.server._errors import Rejection
from upstile.server._http import RETRY_AFTER, HttpRequest
from upstile.server.audit import EventKind, Events, SecurityEvent, learn
from upstile.server.authorization.enrolment._enrolment_rights import (
    Bar,
    BarMoved,
    ElsewhereCall,
    EnrolmentRights,
    first_enrolment,
)
from upstile.server.authorization.methods import Method
from upstile.server.authorization.methods._in_time import MethodFailed, in_time
from upstile.server.authorization.user._account import beginner, find, is_begun_by, live
from upstile.server.authorization.user._elsewhere import Elsewhere, NoLogin
from upstile.server.authorization.user._ends import Ends, TokenEnded
from upstile.server.resource._guard import Guard
from upstile.server.resource._guarded_call import GuardedCall
from upstile.server.resource._refusal import problem, slow_down
from upstile.server.storage import Account, AuthenticatorRecord, DecideAccount, DurableStore, Row, Rows, User, no_rows

M = TypeVar("M", bound=Message)
T = TypeVar("T")
Path = Mapping[str, str]
"""The parameters of the path."""
BEGUN, BEGUN_IN = 30, 600
"""Beginnings and renamings of one base login, at each process, and in how many seconds: each is a row of the audit and
maybe a mail, and undoes nothing that came before."""


class Changes:
    """Changes authenticators for verified calls.

    Args:
        guard: verifies the token of each call.
        elsewhere: makes base logins of sign-ins at other issuers.
        rights: decides whether the caller may change something.
        durable: the authenticators.
        ends: changes them, and ends what came of those that go.
        events: is told.
    """

    def __init__(
        self,
        *,
        guard: Guard,
        elsewhere: Elsewhere,
        rights: EnrolmentRights,
        durable: DurableStore,
        ends: Ends,
        events: Events,
    ) -> None:
        self._guard = guard
        self._elsewhere = elsewhere
        self._rights = rights
        self._durable = durable
        self._ends = ends
        self._events = events
        self._begun = Allowance(BEGUN, BEGUN_IN)

    async def authenticated(self, request: HttpRequest, now: float) -> GuardedCall:
        """A call with any token of ours, but one that serves one call of another kind.

        Or with one of an issuer whose sign-ins count here: that is worth what a base login of ours is, and no more.
        """
        call = await self._guard.authenticate_or_look(request, now)
        call = await self._in_our_terms(call, now)
        learn(user=user_of(call), client_id=call.token.client_id)
        await self._guard.require(call, Requirement(), now)
        return call

    async def _in_our_terms(self, call: GuardedCall, now: float) -> GuardedCall:
        try:
            found = await self._elsewhere.read(call.token, now)
        except NoLogin as error:
            raise self._guard.refusals.invalid_token(call.scheme, str(error), call.token) from error
        if found is None:
            return call
        return ElsewhereCall(found.token, call.scheme, proof=call.proof, login=found.login)

    async def account(self, call: GuardedCall) -> Account:
        """The account of the caller."""
        return await self._durable.account(user_of(call))

    async def changeable(
        self, request: HttpRequest, id: str, now: float
    ) -> tuple[GuardedCall, AuthenticatorRecord, Bar]:
        """A call that may change this authenticator, and by which bar. Raises `Rejection` if not."""
        call = await self.authenticated(request, now)
        account, record = await self.found(call, id, now)
        bar = await self._rights.to_change(call, live(account, now), now)
        if not bar and record.state == "pending" and not is_begun_by(record, beginner_of(call)):
            raise first_enrolment()  # what somebody else has begun, and may by an enrolment code
        return call, record, bar

    async def change(
        self,
        call: GuardedCall,
        decide: DecideAccount[T],
        now: float,
        event: SecurityEvent | None = None,
        bar: Bar | None = None,
        also: Rows[T] = no_rows,
    ) -> T:
        """Change the account; `event` is written with it where something was changed, or nothing is; and `also`.

        Where the caller was held to a `bar`, and another one holds by then, they are held to that. This comes to an
        end: whatever lowers a bar ends all tokens but the one that did it.
        """

        def rows(result: T) -> Sequence[Row]:
            return (*(self._events.rows(event) if event is not None and result else ()), *also(result))

        try:
            judged = decide if bar is None else self._rights.under(bar, decide, now)
            return await self._ends.change(call.token, judged, now, rows)
        except BarMoved as moved:
            await self._rights.reached(call, moved.bar, now)
            return await self.change(call, decide, now, event, moved.bar, also)
        except TokenEnded as error:
            raise self._guard.refusals.invalid_token(call.scheme, "revoked", call.token) from error

    def count(self, call: GuardedCall, now: float) -> None:
        """Count what this login may do again and again. Raises `Rejection` where it was too often."""
        wait = self._begun.spend((user_of(call), call.token.sid or call.token.jti), now)
        if wait:
            raise slow_down(wait)

    async def found(self, call: GuardedCall, id: str, now: float) -> tuple[Account, AuthenticatorRecord]:
        """The caller's account and this authenticator of it; another user's is not found."""
        account = await self._durable.account(user_of(call))
        record = find(account, id, now)
        if record is None:
            raise not_found()
        return account, record

    def event(self, kind: EventKind, call: GuardedCall, record: AuthenticatorRecord, now: float) -> SecurityEvent:
        """What is told of this authenticator; by the method's name on the wire."""
        user, client_id, method = user_of(call), call.token.client_id, wire_name(record)
        return SecurityEvent(kind=kind, user=user, client_id=client_id, method=method, at=now)


def user_of(call: GuardedCall) -> User:
    """Whose authenticators a call is about."""
    return User(call.token.issuer, call.token.subject)


def beginner_of(call: GuardedCall) -> str:
    """Who begins, or finishes, an enrolment with a call."""
    return beginner(call.token.sid, call.token.jkt)


def wire_name(record: AuthenticatorRecord) -> str:
    """The method of an authenticator, as it is called on the wire; configured or not."""
    return record.method.partition(":")[0]


def read(model: type[M], request: HttpRequest) -> M:
    """The JSON body of a request. Raises `Rejection` where it is none."""
    if request.media_type() != "application/json":
        raise invalid("the body must be application/json")
    try:
        return model.from_json(request.body)
    except MalformedMessage as error:
        raise invalid(str(error)) from error


async def said_in_time(
    waiting: Awaitable[T], method: Method, doing: str, *, verdicts: tuple[type[Exception], ...] = ()
) -> T:
    """What a method says to a beginning or a first proof. Raises `Rejection` (503) where it breaks or hangs."""
    try:
        return await in_time(waiting, method.traits.name, doing, verdicts=verdicts)
    except MethodFailed as error:
        raise problem("temporarily-unavailable", 503, retry_after=RETRY_AFTER) from error


def invalid(why: str) -> Rejection:
    """What was sent makes no sense."""
    return problem("invalid-request", 400, why)


def not_found() -> Rejection:
    """There is no such authenticator of this user."""
    return problem("not-found", 404)
