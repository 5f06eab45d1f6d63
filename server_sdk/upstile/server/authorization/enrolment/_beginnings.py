"""How an authenticator begins: who may, what its owner needs, and an enrolment code that is used up for it."""

from collections.abc import Sequence
from dataclasses import replace
from secrets import token_urlsafe

from upstile.protocol import EnrollRequest, EnrollResponse, MalformedMessage
from upstile.server._errors import Rejection
from upstile.server._http import HttpRequest, HttpResponse, json_response
from upstile.server.audit import Events
from upstile.server.authorization._lives import PENDING_LIFE
from upstile.server.authorization.ceremony._offers import active_of
from upstile.server.authorization.enrolment._changes import (
    Changes,
    Path,
    beginner_of,
    invalid,
    not_found,
    read,
    user_of,
)
from upstile.server.authorization.enrolment._enrolment_rights import EnrolmentRights, first_enrolment
from upstile.server.authorization.methods import Enrolled, Method, Wanted
from upstile.server.authorization.user._account import added, discarded, is_full, live, preferred
from upstile.server.resource._guard import GuardedCall
from upstile.server.resource._refusal import problem
from upstile.server.storage import AuthenticatorRecord


class Beginnings:
    """Begins enrolments.

    Args:
        changes: knows the caller, and changes what they may.
        rights: decides what they may.
        methods: what can be enrolled.
        events: is told.
    """

    def __init__(
        self, *, changes: Changes, rights: EnrolmentRights, methods: tuple[Method, ...], events: Events
    ) -> None:
        self._changes = changes
        self._rights = rights
        self._methods = [method for method in methods if method.traits.enrolled]
        self._events = events

    async def begin(self, request: HttpRequest, _: Path, now: float) -> HttpResponse:
        """`POST`: a pending authenticator, and what the user's device needs."""
        call = await self._changes.authenticated(request, now)
        wanted = read(EnrollRequest, request)
        account = await self._changes.account(call)
        records = live(account, now)
        methods, code = (
            [method for method in self._methods if method.traits.name == wanted.method],
            wanted.enrolment_code,
        )
        if not methods or is_full(account):
            raise problem("invalid-request", 400, "this method is not known, or there are too many authenticators")
        bar = await self._rights.to_add(call, records, code, now)
        self._changes.count(call, now)
        id, name = token_urlsafe(12), await self._rights.account(call, now)
        asked = Wanted(user=user_of(call), id=id, account=name, existing=records, destination=wanted.destination)
        method, enrolled = await _enrolled(methods, asked)
        record = AuthenticatorRecord(
            id=id,
            method=method.traits.key,
            name=wanted.name,
            state="pending",
            created=int(now),
            data=enrolled.data,
            begun_by=beginner_of(call),
            first=not bar,
            expires_at=int(now) + PENDING_LIFE,
        )
        begun, by_code = self._changes.event("enrolment-begun", call, record, now), code if not bar else None
        if not await self._changes.change(
            call, lambda found: added(found, record, now, by_code=by_code is not None), now, begun, bar
        ):
            raise first_enrolment()
        if by_code is not None:  # only now, so that a storage that fails does not cost the code
            await self._use_code(call, by_code, id, now)
        await self._events.tell(begun, written=True)
        reply = EnrollResponse(id=record.id, state="pending", expires_in=PENDING_LIFE, **enrolled.members)
        return json_response(201, reply.to_members())

    async def _use_code(self, call: GuardedCall, code: str, id: str, now: float) -> None:
        """Use the enrolment code up for what it let begin; of two who have begun with it, one keeps what they began."""
        try:
            await self._rights.use_code(call, code, now)
        except Rejection:
            await self._changes.change(call, lambda found: discarded(found, id), now)
            raise
        if not await self._changes.change(call, lambda found: preferred(found, id, now), now):
            raise not_found()


async def _enrolled(methods: Sequence[Method], wanted: Wanted) -> tuple[Method, Enrolled]:
    """The first of the methods of one name that can do what is wanted, such as one that sends to the destination."""
    refused = "this method is not known"
    for method in methods:
        own = tuple(active_of(method, wanted.existing))
        try:
            return method, await method.enroll(replace(wanted, existing=own))
        except MalformedMessage as error:
            refused = str(error)
    raise invalid(refused)
