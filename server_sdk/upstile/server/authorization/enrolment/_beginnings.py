"""How an authenticator begins: who may, what its owner needs, and an enrolment code that is used up for it."""

from collections.abc import Sequence
from dataclasses import replace
from secrets import token_urlsafe
from typing import NamedTuple

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
    said_in_time,
    user_of,
)
from upstile.server.authorization.enrolment._enrolment_rights import Bar, EnrolmentRights, first_enrolment
from upstile.server.authorization.enrolment._first_codes import FirstCodes
from upstile.server.authorization.methods import Enrolled, Enrols, Method, Restores, Sends, Wanted
from upstile.server.authorization.user._account import (
    WITH_CODE,
    added,
    discarded,
    is_full,
    live,
    preferred,
    put_in_use,
    regenerated,
)
from upstile.server.authorization.user._restore import TO_RESTORE, is_right, used
from upstile.server.resource._guarded_call import GuardedCall
from upstile.server.resource._refusal import problem
from upstile.server.storage import Account, AuthenticatorRecord


class _Sender(NamedTuple):
    """By which method something begins, for which account as its user calls it, and where its codes go."""

    method: Method
    account: str
    place: str


class _Right(NamedTuple):
    """By what right something begins.

    Attributes:
        bar: what the caller was held to; `None` where a code stands for it.
        code: the code that lets it begin.
        restores: whether that is one by mail, so that what begins takes the place of all that is enrolled.
    """

    bar: Bar | None
    code: str | None
    restores: bool


class Beginnings:
    """Begins enrolments.

    Args:
        changes: knows the caller, and changes what they may.
        rights: decides what they may.
        methods: all methods; those that users enrol can begin.
        first_codes: sends first codes.
        events: is told.
    """

    def __init__(
        self,
        *,
        changes: Changes,
        rights: EnrolmentRights,
        methods: tuple[Method, ...],
        first_codes: FirstCodes,
        events: Events,
    ) -> None:
        self._changes = changes
        self._rights = rights
        self._methods = [method for method in methods if isinstance(method, Enrols)]
        self._restores = any(isinstance(method, Restores) and method.restores for method in methods)
        self._first_codes = first_codes
        self._events = events

    async def begin(self, request: HttpRequest, _: Path, now: float) -> HttpResponse:
        """`POST`: a pending authenticator, or recovery codes in use at once, and what the user's device needs."""
        call = await self._changes.authenticated(request, now)
        wanted = read(EnrollRequest, request)
        account = await self._changes.account(call)
        records = live(account, now)
        methods = [method for method in self._methods if method.traits.name == wanted.method]
        if not methods or is_full(account):
            raise problem("invalid-request", 400, "this method is not known, or there are too many authenticators")
        right = await self._right(call, account, wanted.enrolment_code, now)
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
            first=not right.bar,
            expires_at=int(now) + PENDING_LIFE,
        )
        if method.traits.backup:
            await self._put_in_use(call, record, right.bar or (), now)
        else:
            await self._begun(call, record, right, now, _Sender(method, name, enrolled.sends_to))
        left, state = (None, "active") if method.traits.backup else (PENDING_LIFE, "pending")
        members = {"id": id, "state": state, "expires_in": left, **enrolled.members}
        return json_response(201, EnrollResponse.from_members(members).to_members())

    async def regenerate(self, request: HttpRequest, path: Path, now: float) -> HttpResponse:
        """`POST /{id}/regenerate`: new recovery codes; the old ones are void, and what came of proofs ends."""
        call, record, bar = await self._changes.changeable(request, path["id"], now)
        method = next((method for method in self._methods if method.traits.key == record.method), None)
        if method is None or not method.traits.backup:
            raise invalid("only recovery codes can be regenerated")
        if not bar:
            raise first_enrolment()
        self._changes.count(call, now)
        id, who = token_urlsafe(12), beginner_of(call)
        wanted = Wanted(user=user_of(call), id=id, account=await self._rights.account(call, now))
        enrolled = await said_in_time(method.enroll(wanted), method, "enrol")
        event = self._changes.event("recovery-codes-regenerated", call, record, now)

        def decide(account: Account) -> tuple[Account, AuthenticatorRecord | None]:
            return regenerated(account, record.id, id, enrolled.data, who, now)

        if await self._changes.change(call, decide, now, event, bar) is None:
            raise not_found()
        await self._events.tell(event, written=True)
        members = {"id": id, "state": "active", **enrolled.members}
        return json_response(200, EnrollResponse.from_members(members).to_members())

    async def _right(self, call: GuardedCall, account: Account, code: str | None, now: float) -> "_Right":
        """By what right the caller begins. Raises `Rejection` where they may not."""
        if code is not None and self._restores and is_right(account, code, now):
            await self._rights.fresh(call, now)
            return _Right(None, code, restores=True)
        bar = await self._rights.to_add(call, live(account, now), code, now)
        return _Right(bar, None if bar else code, restores=False)

    async def _put_in_use(self, call: GuardedCall, pending: AuthenticatorRecord, bar: Bar, now: float) -> None:
        """Recovery codes: never the first, so never by the rule for first ones; and one set of a user."""
        if not bar:
            raise first_enrolment()
        record = replace(pending, state="active", begun_by=None, expires_at=None)
        event, who = self._changes.event("authenticator-added", call, record, now), beginner_of(call)
        if not await self._changes.change(call, lambda found: put_in_use(found, record, who), now, event, bar):
            raise invalid("there is a set already: regenerate it")
        await self._events.tell(event, written=True)

    async def _begun(
        self,
        call: GuardedCall,
        record: AuthenticatorRecord,
        right: "_Right",
        now: float,
        sender: "_Sender",
    ) -> None:
        """Keep what begins, by an enrolment code where one is given, and send its first code where that is needed."""
        sends = sender.method if isinstance(sender.method, Sends) else None
        if sends is not None:
            await self._first_codes.count(call, sender.place, now)
        event = self._changes.event("enrolment-begun", call, record, now)

        def decide(account: Account) -> tuple[Account, bool]:
            if right.restores:
                account, is_good = used(account, right.code or "", now)
                return added(account, record, now, by_code=TO_RESTORE) if is_good else (account, False)
            return added(account, record, now, by_code=None if right.code is None else WITH_CODE)

        if not await self._changes.change(call, decide, now, event, right.bar):
            raise first_enrolment()
        await self._events.tell(event, written=True)
        if sends is not None:
            await self._first_codes.send(call, record, sends, sender.account, now)
        if right.code is not None and not right.restores:  # only now: a storage or mail server that fails costs none
            await self._use_code(call, right.code, record.id, now)

    async def _use_code(self, call: GuardedCall, code: str, id: str, now: float) -> None:
        """Use the enrolment code up for what it let begin; of two who have begun with it, one keeps what they began."""
        try:
            await self._rights.use_code(call, code, now)
        except Rejection:
            await self._changes.change(call, lambda found: discarded(found, id), now)
            raise
        if not await self._changes.change(call, lambda found: preferred(found, id, now), now):
            raise not_found()


async def _enrolled(methods: Sequence[Enrols], wanted: Wanted) -> tuple[Enrols, Enrolled]:
    """The first of the methods of one name that can do what is wanted, such as one that sends to the destination."""
    refused = "this method is not known"
    for method in methods:
        own = tuple(active_of(method, wanted.existing))
        try:
            begun = method.enroll(replace(wanted, existing=own))
            return method, await said_in_time(begun, method, "enrol", verdicts=(MalformedMessage,))
        except MalformedMessage as error:
            refused = str(error)
    raise invalid(refused)
