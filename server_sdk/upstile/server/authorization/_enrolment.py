"""The authenticators endpoint: a protected resource of the authorization server itself (upstile profile §8)."""

from collections.abc import Mapping
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
from upstile.server.authorization._account import activated, added, discarded, find, live, removed, renamed, tried
from upstile.server.authorization._enrolment_rights import EnrolmentRights
from upstile.server.authorization._lives import PENDING_LIFE
from upstile.server.authorization.methods import Method
from upstile.server.resource._guard import Guard, GuardedCall
from upstile.server.resource._refusal import problem
from upstile.server.storage import AuthenticatorRecord, DurableStore, User

MOST_AUTHENTICATORS = 20

M = TypeVar("M", bound=Message)
Path = Mapping[str, str]
"""The parameters of the path."""


class Enrolment:
    """Lists, adds, renames and removes a user's authenticators.

    Args:
        guard: verifies the token of each call.
        rights: decides whether the caller may change something.
        methods: what can be enrolled.
        durable: the authenticators.
        events: is told.
    """

    def __init__(
        self,
        *,
        guard: Guard,
        rights: EnrolmentRights,
        methods: tuple[Method, ...],
        durable: DurableStore,
        events: Events,
    ) -> None:
        self._guard = guard
        self._rights = rights
        self._methods = {method.name: method for method in methods}
        self._durable = durable
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
        records = live(await self._durable.account(user), now)
        method = self._methods.get(wanted.method)
        if method is None or len(records) >= MOST_AUTHENTICATORS:
            raise problem("invalid-request", 400, "This method is not known, or there are too many authenticators")
        first = await self._rights.to_add(call, records, wanted.enrolment_code, now)
        existing = [record for record in records if record.method == method.name]
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
            first=first,
            expires_at=int(now) + PENDING_LIFE,
        )
        await self._durable.change_account(user, lambda account: added(account, record, now))
        if first and wanted.enrolment_code is not None:  # last, so that a storage that fails does not cost the code
            await self._rights.use_code(call, wanted.enrolment_code, now)
        reply = EnrollResponse(id=record.id, state="pending", expires_in=PENDING_LIFE, **members)
        return json_response(201, reply.to_members())

    async def verify(self, request: HttpRequest, path: Path, now: float) -> HttpResponse:
        """`POST /{id}/verify`: the first proof; who began it finishes it, whatever the token's age."""
        call = await self._authenticated(request, now)
        user = _user(call)
        record = await self._find(user, path["id"], now)
        if record.state != "pending" or record.begun_by != _beginner(call):
            raise _not_found()
        added = self._event("authenticator-added", call, record, now)
        active = await self._confirm(user, record, _read(VerifyRequest, request), added, now)
        await self._events.tell(added, written=True)
        return json_response(200, _entry(active, now).to_members())

    async def rename(self, request: HttpRequest, path: Path, now: float) -> HttpResponse:
        """`PATCH /{id}`: another name."""
        call, record = await self._changeable(request, path["id"], now)
        name = _read(RenameRequest, request).name
        event = self._event("authenticator-renamed", call, record, now)
        changed = await self._durable.change_account(
            _user(call),
            lambda account: renamed(account, record.id, name, now),
            lambda changed: self._events.rows(event) if changed else (),
        )
        if changed is None:
            raise _not_found()
        await self._events.tell(event, written=True)
        return json_response(200, _entry(changed, now).to_members())

    async def remove(self, request: HttpRequest, path: Path, now: float) -> HttpResponse:
        """`DELETE /{id}`: one less; the last one stays."""
        call, record = await self._changeable(request, path["id"], now)
        event = self._event("authenticator-removed", call, record, now)
        is_done = await self._durable.change_account(
            _user(call),
            lambda account: removed(account, record.id),
            lambda is_done: self._events.rows(event) if is_done else (),
        )
        if not is_done:
            raise problem("last-authenticator", 409, "The last authenticator cannot be removed: add another one first")
        await self._events.tell(event, written=True)
        return HttpResponse(status=204)

    async def _authenticated(self, request: HttpRequest, now: float) -> GuardedCall:
        """A call with any token of ours, but one that serves one call of another kind."""
        call = await self._guard.authenticate_or_look(request, now)
        learn(user=_user(call), client_id=call.token.client_id)
        await self._guard.require(call, Requirement(), now)
        return call

    async def _changeable(self, request: HttpRequest, id: str, now: float) -> tuple[GuardedCall, AuthenticatorRecord]:
        call = await self._authenticated(request, now)
        user = _user(call)
        account = await self._durable.account(user)
        await self._rights.to_change(call, live(account, now), now)
        record = find(account, id, now)
        if record is None:
            raise _not_found()
        return call, record

    async def _confirm(
        self, user: User, record: AuthenticatorRecord, proof: VerifyRequest, added: SecurityEvent, now: float
    ) -> AuthenticatorRecord:
        """The authenticator in use; `added` is written with it."""
        method, change = self._methods[record.method], self._durable.change_account
        try:
            response = method.read_first(proof)
        except MalformedMessage as error:
            raise _invalid(str(error)) from error
        counted = await change(user, lambda account: tried(account, record.id, now))
        if counted is None:
            raise _not_found()
        pending, is_last = counted
        confirmed = method.confirm(user, pending, response, now)
        try:
            if confirmed is not None:
                active = await change(
                    user,
                    lambda account: activated(account, record.id, confirmed, now),
                    lambda active: self._events.rows(added) if active else (),
                )
                if active is not None:
                    return active
        except CredentialTaken:
            pass
        if confirmed is not None or not method.guessable or is_last:  # its proof served: another try begins anew
            await change(user, lambda account: discarded(account, record.id))
        raise problem("verification-failed", 400, "The new authenticator could not be verified")

    async def _find(self, user: User, id: str, now: float) -> AuthenticatorRecord:
        record = find(await self._durable.account(user), id, now)
        if record is None:
            raise _not_found()
        return record

    def _event(self, kind: EventKind, call: GuardedCall, record: AuthenticatorRecord, now: float) -> SecurityEvent:
        return SecurityEvent(kind=kind, user=_user(call), client_id=call.token.client_id, method=record.method, at=now)


def _user(call: GuardedCall) -> User:
    return User(call.token.issuer, call.token.subject)


def _beginner(call: GuardedCall) -> str:
    return f"{call.token.sid} {call.token.jkt}"


def _entry(record: AuthenticatorRecord, now: float) -> Authenticator:
    return Authenticator(
        id=record.id,
        method=record.method,
        name=record.name,
        created=record.created,
        last_used=record.last_used,
        state=record.state,
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
    return problem("invalid-request", 400, f"The request cannot be read: {why}")


def _not_found() -> Rejection:
    return problem("not-found", 404, "There is no such authenticator of yours")
