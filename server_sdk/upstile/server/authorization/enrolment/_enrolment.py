"""The authenticators endpoint: a protected resource of the authorization server itself (upstile profile §8)."""

from collections.abc import Mapping, Sequence
from secrets import token_urlsafe
from typing import TypeVar

from upstile.protocol import (
    Authenticator,
    EnrollRequest,
    EnrollResponse,
    MalformedMessage,
    Message,
    RenameRequest,
    Requirement,
    VerifyRequest,
)
from upstile.server._errors import CredentialTaken, Rejection
from upstile.server._http import HttpRequest, HttpResponse, json_response
from upstile.server.audit import EventKind, Events, SecurityEvent, learn
from upstile.server.authorization._lives import PENDING_LIFE
from upstile.server.authorization.enrolment._enrolment_rights import Bar, BarMoved, EnrolmentRights, first_enrolment
from upstile.server.authorization.methods import Method
from upstile.server.authorization.user._account import (
    activated,
    added,
    beginner,
    discarded,
    find,
    is_begun_by,
    is_full,
    live,
    preferred,
    removed,
    renamed,
    reopened,
    tried,
    unchanged,
)
from upstile.server.authorization.user._closing import Closings
from upstile.server.authorization.user._ends import Ends, TokenEnded
from upstile.server.resource._guard import Guard
from upstile.server.resource._guarded_call import GuardedCall
from upstile.server.resource._refusal import problem
from upstile.server.storage import Account, AuditRow, AuthenticatorRecord, DecideAccount, DurableStore, User

M = TypeVar("M", bound=Message)
T = TypeVar("T")
Path = Mapping[str, str]
"""The parameters of the path."""


class Enrolment:
    """Lists, adds, renames and removes a user's authenticators.

    Args:
        guard: verifies the token of each call.
        rights: decides whether the caller may change something.
        methods: what can be enrolled.
        durable: the authenticators.
        ends: changes them, and ends what came of those that go.
        closings: opens what wrong answers closed.
        events: is told.
    """

    def __init__(
        self,
        *,
        guard: Guard,
        rights: EnrolmentRights,
        methods: tuple[Method, ...],
        durable: DurableStore,
        ends: Ends,
        closings: Closings,
        events: Events,
    ) -> None:
        self._guard = guard
        self._rights = rights
        self._methods = {method.name: method for method in methods}
        self._durable = durable
        self._ends = ends
        self._closings = closings
        self._events = events

    async def show(self, request: HttpRequest, _: Path, now: float) -> HttpResponse:
        """`GET`: all authenticators of the user; a token for this server suffices."""
        call = await self._authenticated(request, now)
        records = live(await self._durable.account(_user(call)), now)
        entries = [_entry(record, now).to_members() for record in records]
        return json_response(200, {"authenticators": entries})

    async def begin(self, request: HttpRequest, _: Path, now: float) -> HttpResponse:
        """`POST`: a pending authenticator, and what the user's device needs."""
        call = await self._authenticated(request, now)
        user, wanted = _user(call), _read(EnrollRequest, request)
        account = await self._durable.account(user)
        records = live(account, now)
        method, code = self._methods.get(wanted.method), wanted.enrolment_code
        if method is None or is_full(account):
            raise problem("invalid-request", 400, "this method is not known, or there are too many authenticators")
        bar = await self._rights.to_add(call, records, code, now)
        existing = [record for record in records if record.method == method.name and record.state == "active"]
        id = token_urlsafe(12)
        data, members = method.enroll(user, id, await self._rights.account(call, now), existing)
        record = AuthenticatorRecord(
            id=id,
            method=method.name,
            name=wanted.name,
            state="pending",
            created=int(now),
            data=data,
            begun_by=_beginner(call),
            first=not bar,
            expires_at=int(now) + PENDING_LIFE,
        )
        begun, by_code = self._event("enrolment-begun", call, record, now), code if not bar else None
        if not await self._change(
            call, lambda found: added(found, record, now, by_code=by_code is not None), now, begun, bar
        ):
            raise first_enrolment()
        if by_code is not None:  # only now, so that a storage that fails does not cost the code
            await self._use_code(call, by_code, id, now)
        await self._events.tell(begun, written=True)
        reply = EnrollResponse(id=record.id, state="pending", expires_in=PENDING_LIFE, **members)
        return json_response(201, reply.to_members())

    async def verify(self, request: HttpRequest, path: Path, now: float) -> HttpResponse:
        """`POST /{id}/verify`: the first proof; who began it finishes it, whatever the token's age."""
        call = await self._authenticated(request, now)
        _, record = await self._found(call, path["id"], now)
        if not is_begun_by(record, _beginner(call)):
            raise _not_found()
        event = self._event("authenticator-added", call, record, now)
        active = await self._confirm(call, record, _read(VerifyRequest, request), event, now)
        await self._events.tell(event, written=True)
        return json_response(200, _entry(active, now).to_members())

    async def rename(self, request: HttpRequest, path: Path, now: float) -> HttpResponse:
        """`PATCH /{id}`: another name."""
        call, record, bar = await self._changeable(request, path["id"], now)
        name = _read(RenameRequest, request).name
        event = self._event("authenticator-renamed", call, record, now)
        changed = await self._change(call, lambda account: renamed(account, record.id, name, now), now, event, bar)
        if changed is None:
            raise _not_found()
        await self._events.tell(event, written=True)
        return json_response(200, _entry(changed, now).to_members())

    async def remove(self, request: HttpRequest, path: Path, now: float) -> HttpResponse:
        """`DELETE /{id}`: one less, and what came of all of them ends; the last one stays."""
        call, record, bar = await self._changeable(request, path["id"], now)
        event, who = self._event("authenticator-removed", call, record, now), _beginner(call)
        if not await self._change(call, lambda account: removed(account, record.id, who), now, event, bar):
            raise problem("last-authenticator", 409)
        await self._events.tell(event, written=True)
        return HttpResponse(status=204)

    async def open(self, request: HttpRequest, path: Path, now: float) -> HttpResponse:
        """`POST /{id}/open`: unknown keys may try this one again."""
        call = await self._authenticated(request, now)
        account, before = await self._found(call, path["id"], now)
        bar = await self._rights.to_open(call, live(account, now), now)
        event = self._event("authenticator-opened", call, before, now) if before.closed else None
        await self._change(call, unchanged, now, bar=bar)  # who asks may, and has not ended
        # The count goes first: a node that dies in between leaves what is shown as closed, and can be opened again.
        await self._closings.forget_count(_user(call), before.id, now)
        opened = await self._change(call, lambda found: reopened(found, before.id, now), now, event, bar)
        if opened is None:
            raise _not_found()
        if event is not None:
            await self._events.tell(event, written=True)
        return json_response(200, _entry(opened, now).to_members())

    async def _authenticated(self, request: HttpRequest, now: float) -> GuardedCall:
        """A call with any token of ours, but one that serves one call of another kind."""
        call = await self._guard.authenticate_or_look(request, now)
        learn(user=_user(call), client_id=call.token.client_id)
        await self._guard.require(call, Requirement(), now)
        return call

    async def _changeable(
        self, request: HttpRequest, id: str, now: float
    ) -> tuple[GuardedCall, AuthenticatorRecord, Bar]:
        call = await self._authenticated(request, now)
        account, record = await self._found(call, id, now)
        bar = await self._rights.to_change(call, live(account, now), now)
        if not bar and not is_begun_by(record, _beginner(call)):
            raise first_enrolment()  # what somebody else has begun, and may by an enrolment code
        return call, record, bar

    async def _change(
        self,
        call: GuardedCall,
        decide: DecideAccount[T],
        now: float,
        event: SecurityEvent | None = None,
        bar: Bar | None = None,
    ) -> T:
        """Change the account; `event` is written with it where something was changed, or nothing is.

        Where the caller was held to a `bar`, and another one holds by then, they are held to that. This comes to an
        end: whatever lowers a bar ends all tokens but the one that did it.
        """

        def rows(result: T) -> Sequence[AuditRow]:
            return self._events.rows(event) if event is not None and result else ()

        try:
            judged = decide if bar is None else self._rights.under(bar, decide, now)
            return await self._ends.change(call.token, judged, now, rows)
        except BarMoved as moved:
            await self._rights.reached(call, moved.bar, now)
            return await self._change(call, decide, now, event, moved.bar)
        except TokenEnded as error:
            raise self._guard.refusals.invalid_token(call.scheme, "revoked", call.token) from error

    async def _use_code(self, call: GuardedCall, code: str, id: str, now: float) -> None:
        """Use the enrolment code up for what it let begin; of two who have begun with it, one keeps what they began."""
        try:
            await self._rights.use_code(call, code, now)
        except Rejection:
            await self._change(call, lambda found: discarded(found, id), now)
            raise
        if not await self._change(call, lambda found: preferred(found, id, now), now):
            raise _not_found()

    async def _confirm(
        self, call: GuardedCall, record: AuthenticatorRecord, proof: VerifyRequest, event: SecurityEvent, now: float
    ) -> AuthenticatorRecord:
        """The authenticator in use; `event` is written with it."""
        user, method = _user(call), self._methods[record.method]
        try:
            response = method.read_first(proof)
        except MalformedMessage as error:
            raise _invalid(str(error)) from error
        counted = await self._change(call, lambda account: tried(account, record.id, now), now)
        if counted is None:
            raise _not_found()
        pending, is_last = counted
        confirmed = method.confirm(user, pending, response, now)
        try:
            if confirmed is not None:
                active = await self._change(
                    call, lambda account: activated(account, record.id, confirmed, now), now, event
                )
                if active is not None:
                    return active
        except CredentialTaken:
            pass
        if confirmed is not None or not method.guessable or is_last:  # its proof served: another try begins anew
            await self._change(call, lambda account: discarded(account, record.id), now)
        raise problem("verification-failed", 400)

    async def _found(self, call: GuardedCall, id: str, now: float) -> tuple[Account, AuthenticatorRecord]:
        account = await self._durable.account(_user(call))
        record = find(account, id, now)
        if record is None:
            raise _not_found()
        return account, record

    def _event(self, kind: EventKind, call: GuardedCall, record: AuthenticatorRecord, now: float) -> SecurityEvent:
        return SecurityEvent(kind=kind, user=_user(call), client_id=call.token.client_id, method=record.method, at=now)


def _user(call: GuardedCall) -> User:
    return User(call.token.issuer, call.token.subject)


def _beginner(call: GuardedCall) -> str:
    return beginner(call.token.sid, call.token.jkt)


def _entry(record: AuthenticatorRecord, now: float) -> Authenticator:
    return Authenticator(
        id=record.id,
        method=record.method,
        name=record.name,
        created=record.created,
        last_used=record.last_used,
        state=record.state,
        closed=record.closed or None,
        expires_in=int(record.expires_at - now) if record.state == "pending" and record.expires_at else None,
    )


def _read(model: type[M], request: HttpRequest) -> M:
    if request.media_type() != "application/json":
        raise _invalid("the body must be application/json")
    try:
        return model.from_json(request.body)
    except MalformedMessage as error:
        raise _invalid(str(error)) from error


def _invalid(why: str) -> Rejection:
    return problem("invalid-request", 400, why)


def _not_found() -> Rejection:
    return problem("not-found", 404)
