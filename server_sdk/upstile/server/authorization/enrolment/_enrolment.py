"""The authenticators endpoint: a protected resource of the authorization server itself (upstile profile §8)."""

from dataclasses import replace
from typing import TypeVar

from upstile.protocol import Authenticator, MalformedMessage, RenameRequest, VerifyRequest
from upstile.server._errors import CredentialTaken
from upstile.server._http import HttpRequest, HttpResponse, json_response
from upstile.server.audit import EventKind, Events, SecurityEvent
from upstile.server.authorization.ceremony._offers import everybodys
from upstile.server.authorization.enrolment._changes import (
    Changes,
    Path,
    beginner_of,
    invalid,
    not_found,
    read,
    said_in_time,
    user_of,
    wire_name,
)
from upstile.server.authorization.enrolment._enrolment_rights import EnrolmentRights
from upstile.server.authorization.methods import Confirmed, Enrols, Method
from upstile.server.authorization.user._account import (
    activated,
    discarded,
    is_begun_by,
    live,
    removed,
    renamed,
    reopened,
    tried,
    unchanged,
)
from upstile.server.authorization.user._closing import Closings
from upstile.server.authorization.user._cooling import CoolingOff
from upstile.server.authorization.user._restore import is_begun_to_restore
from upstile.server.resource._guarded_call import GuardedCall
from upstile.server.resource._refusal import problem
from upstile.server.storage import Account, AuthenticatorRecord

T = TypeVar("T")


class Enrolment:
    """Lists, verifies, renames, opens and removes a user's authenticators; `_beginnings.py` begins them.

    Args:
        changes: knows the caller, and changes what they may.
        rights: decides what they may.
        methods: all methods; a first proof is by one that users enrol.
        closings: opens what wrong answers closed.
        cooling: closes some things for a while after a reset.
        events: is told.
    """

    def __init__(
        self,
        *,
        changes: Changes,
        rights: EnrolmentRights,
        methods: tuple[Method, ...],
        closings: Closings,
        cooling: CoolingOff,
        events: Events,
    ) -> None:
        self._changes = changes
        self._rights = rights
        self._methods = {method.traits.key: method for method in methods if isinstance(method, Enrols)}
        self._everybodys = {m.traits.key: everybodys(m.traits) for m in methods if not m.traits.enrolled}
        self._closings = closings
        self._cooling = cooling
        self._events = events

    async def show(self, request: HttpRequest, _: Path, now: float) -> HttpResponse:
        """`GET`: all authenticators of the user; a token for this server suffices."""
        call = await self._changes.authenticated(request, now)
        records = live(await self._changes.account(call), now)
        closed = await self._closings.closed(user_of(call), [record.id for record in self._everybodys.values()], now)
        records += [replace(self._everybodys[id], closed=True) for id in closed]  # listed where something can be done
        entries = [entry(record, now).to_members() for record in records]
        return json_response(200, {"authenticators": entries})

    async def verify(self, request: HttpRequest, path: Path, now: float) -> HttpResponse:
        """`POST /{id}/verify`: the first proof; who began it finishes it, whatever the token's age."""
        call = await self._changes.authenticated(request, now)
        _, record = await self._changes.found(call, path["id"], now)
        if not is_begun_by(record, beginner_of(call)):
            raise not_found()
        kind: EventKind = "account-restored" if is_begun_to_restore(record) else "authenticator-added"
        event = self._changes.event(kind, call, record, now)
        active = await self._confirm(call, record, read(VerifyRequest, request), event, now)
        await self._events.tell(event, written=True)
        return json_response(200, entry(active, now).to_members())

    async def rename(self, request: HttpRequest, path: Path, now: float) -> HttpResponse:
        """`PATCH /{id}`: another name."""
        call, record, bar = await self._changes.changeable(request, path["id"], now)
        name = read(RenameRequest, request).name
        if name == record.name:
            return json_response(200, entry(record, now).to_members())
        self._changes.count(call, now)
        event = self._changes.event("authenticator-renamed", call, record, now)
        changed = await self._changes.change(
            call, lambda account: renamed(account, record.id, name, now), now, event, bar
        )
        if changed is None:
            raise not_found()
        await self._events.tell(event, written=True)
        return json_response(200, entry(changed, now).to_members())

    async def remove(self, request: HttpRequest, path: Path, now: float) -> HttpResponse:
        """`DELETE /{id}`: one less, and what came of all of them ends; the last one stays."""
        call, record, bar = await self._changes.changeable(request, path["id"], now)
        kind: EventKind = "enrolment-dropped" if record.state == "pending" else "authenticator-removed"
        event, who = self._changes.event(kind, call, record, now), beginner_of(call)
        gone = await self._changes.change(
            call, lambda account: removed(account, record, who, self._rights.is_a_way), now, event, bar
        )
        if gone is None:
            raise not_found()
        if not gone:
            raise problem("last-authenticator", 409)
        await self._events.tell(event, written=True)
        return HttpResponse(status=204)

    async def open(self, request: HttpRequest, path: Path, now: float) -> HttpResponse:
        """`POST /{id}/open`: unknown keys may try this one again."""
        call = await self._changes.authenticated(request, now)
        for_all = self._everybodys.get(path["id"])
        if for_all is not None:
            return await self._open_for_all(call, for_all, now)
        account, before = await self._changes.found(call, path["id"], now)
        bar = await self._rights.to_open(call, live(account, now), now)
        self._changes.count(call, now)
        await self._changes.change(call, unchanged, now, bar=bar)  # who asks may, and has not ended
        # The count goes first: a node that dies in between leaves what is shown as closed, and can be opened again.
        counted = await self._closings.forget_count(user_of(call), before.id, now)
        event = self._changes.event("authenticator-opened", call, before, now) if before.closed or counted else None
        opened = await self._changes.change(call, lambda found: reopened(found, before.id, now), now, event, bar)
        if opened is None:
            raise not_found()
        if event is not None:
            await self._events.tell(event, written=True)
        return json_response(200, entry(opened, now).to_members())

    async def _open_for_all(self, call: GuardedCall, record: AuthenticatorRecord, now: float) -> HttpResponse:
        """What nobody enrols has no record of its own: that it is closed is its count alone."""
        bar = await self._rights.to_open(call, live(await self._changes.account(call), now), now)
        self._changes.count(call, now)
        await self._changes.change(call, unchanged, now, bar=bar)
        if await self._closings.forget_count(user_of(call), record.id, now):
            await self._events.tell(self._changes.event("authenticator-opened", call, record, now))
        return json_response(200, entry(record, now).to_members())

    async def _confirm(
        self, call: GuardedCall, record: AuthenticatorRecord, proof: VerifyRequest, event: SecurityEvent, now: float
    ) -> AuthenticatorRecord:
        """The authenticator in use; `event` is written with it."""
        user, method = user_of(call), self._methods.get(record.method)
        if method is None:  # it was configured when this began
            raise not_found()
        try:
            response = method.read_first(proof)
        except MalformedMessage as error:
            raise invalid(str(error)) from error
        counted = await self._changes.change(call, lambda account: tried(account, record.id, now), now)
        if counted is None:
            raise not_found()
        pending, is_last = counted
        confirmed = await said_in_time(method.confirm(user, pending, response, now), method, "judge a first proof")
        try:
            if confirmed is not None:
                active = await self._activated(call, record, confirmed, event, now)
                if active is not None:
                    return active
        except CredentialTaken:
            pass
        if confirmed is not None or not method.traits.guessable or is_last:  # its proof served: another try begins anew
            await self._changes.change(call, lambda account: discarded(account, record.id), now)
        raise problem("verification-failed", 400)

    async def _activated(
        self, call: GuardedCall, record: AuthenticatorRecord, confirmed: Confirmed, event: SecurityEvent, now: float
    ) -> AuthenticatorRecord | None:
        """The authenticator in use, if it may be; where that is the end of a reset, some things stay closed."""

        def decide(account: Account) -> tuple[Account, tuple[AuthenticatorRecord, bool] | None]:
            after, active = activated(account, record.id, confirmed, now, self._rights.is_still_first)
            return after, None if active is None else (active, after.proofs > account.proofs)

        begun = self._cooling.begun(user_of(call), now, call.token.client_id)
        done = await self._changes.change(
            call, decide, now, event, also=lambda done: begun.rows if done is not None and done[1] else ()
        )
        if done is None:
            return None
        active, is_reset = done
        if is_reset:
            await self._cooling.tell(begun)
        return active


def entry(record: AuthenticatorRecord, now: float) -> Authenticator:
    """An authenticator as its owner sees it."""
    return Authenticator(
        id=record.id,
        method=wire_name(record),
        name=record.name,
        created=record.created,
        last_used=record.last_used,
        state=record.state,
        closed=record.closed or None,
        codes_left=_open(record, "left", int),
        hint=_open(record, "hint", str),
        channel=record.method.partition(":")[2] or None,
        expires_in=int(record.expires_at - now) if record.state == "pending" and record.expires_at else None,
    )


def _open(record: AuthenticatorRecord, member: str, kind: type[T]) -> T | None:
    """A member of what a method keeps that its owner may see, if there is one."""
    value = record.data.get(member)
    return value if isinstance(value, kind) else None
