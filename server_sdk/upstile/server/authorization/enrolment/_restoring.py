"""Asking for a code by mail after everything was lost: a day later, and not unnoticed (docs/decisions/0020)."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import Literal

from upstile.protocol import RestoreResponse
from upstile.server._http import HttpRequest, HttpResponse, json_response
from upstile.server.audit import Events, place_of, whereabouts
from upstile.server.authorization._lives import ENROLMENT_CODE_LIFE
from upstile.server.authorization._spoken_code import new_code
from upstile.server.authorization.enrolment._changes import Changes, Path, invalid, user_of
from upstile.server.authorization.enrolment._enrolment_rights import EnrolmentRights
from upstile.server.authorization.enrolment._first_codes import FirstCodes
from upstile.server.authorization.methods import Mails, Method, Order, Restores
from upstile.server.authorization.user._account import live
from upstile.server.authorization.user._restore import Stage, asked, code_sent, stage_of
from upstile.server.resource._guarded_call import GuardedCall
from upstile.server.resource._refusal import slow_down
from upstile.server.storage import Account, AuthenticatorRecord


class Restoring:
    """Answers who asks for such a code.

    Args:
        changes: knows the caller, and changes what they may.
        rights: decides what they may.
        methods: some of them reach people at their destinations.
        first_codes: counts what is sent.
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
        self._reach = {method.traits.key: method for method in methods if isinstance(method, Restores)}
        self._first_codes = first_codes
        self._events = events

    async def restore(self, request: HttpRequest, path: Path, now: float) -> HttpResponse:
        """`POST /{id}/restore`: begin to wait; a day later, within two, the same mails a code.

        Only a fresh sign-in by an app that proves its key may ask.
        """
        call = await self._changes.authenticated(request, now)
        await self._rights.fresh(call, now)
        account, record = await self._changes.found(call, path["id"], now)
        method = self._reach.get(record.method)
        if record.state != "active" or method is None or not method.restores:
            raise invalid("no code that restores an account is sent there")
        if self._rights.is_still_first(live(account, now), now):
            raise invalid("nothing enrolled is in the way: begin right away")
        self._changes.count(call, now)
        stage = stage_of(account, record.id, now)
        if stage.name == "new":
            await self._begin(call, account, record, now)
            stage = stage_of(await self._changes.account(call), record.id, now)
        elif stage.name == "due":
            await self._send(call, record, method, now)
        if stage.name == "refused":
            raise slow_down(ceil(stage.wait))
        return _reply(record, stage)

    async def _begin(self, call: GuardedCall, account: Account, record: AuthenticatorRecord, now: float) -> None:
        """Tell all destinations, then begin: who cannot be told of it is not waited for, and nothing begins."""
        await self._first_codes.count_to_known(call, now)
        places = [r for r in account.authenticators if r.state == "active" and r.method in self._reach]
        orders = [await self._order(call, place, "restore-asked", now) for place in places]
        told = await asyncio.gather(*(self._reach[order.record.method].tell(order, None) for order in orders))
        if not all(told):
            raise await self._first_codes.given_back(call, record, now)
        event = replace(self._changes.event("restore-asked", call, record, now), told=self._mailed(orders))
        by = call.token.jkt or ""  # which `fresh` asks for
        if await self._changes.change(call, lambda found: asked(found, record.id, by, now), now, event):
            await self._events.tell(event, written=True)

    def _mailed(self, orders: Sequence[Order]) -> tuple[str, ...]:
        """The mail addresses that were told."""
        writers = ((order, self._reach[order.record.method]) for order in orders)
        mailed = (
            (order.user, it.mailed_to(order.user, order.record)) for order, it in writers if isinstance(it, Mails)
        )
        return tuple(place_of(user, address) for user, address in mailed if address is not None)

    async def _send(self, call: GuardedCall, record: AuthenticatorRecord, method: Restores, now: float) -> None:
        """Mail a code, then remember it: one that nobody remembers is good for nothing."""
        await self._first_codes.count_to_known(call, now)
        code = new_code()
        if not await method.tell(await self._order(call, record, "restore", now), code):
            raise await self._first_codes.given_back(call, record, now)
        event = self._changes.event("restore-code-sent", call, record, now)
        if not await self._changes.change(call, lambda found: code_sent(found, record.id, code, now), now, event):
            raise slow_down(1)  # it was cancelled in the meantime
        await self._events.tell(event, written=True)

    async def _order(
        self, call: GuardedCall, record: AuthenticatorRecord, purpose: Literal["restore", "restore-asked"], now: float
    ) -> Order:
        address, language = whereabouts()
        return Order(
            user=user_of(call),
            record=record,
            account=await self._rights.account(call, now),
            app=call.token.client_id or "",
            purpose=purpose,
            language=language,
            address=address,
            now=now,
        )


def _reply(record: AuthenticatorRecord, stage: Stage) -> HttpResponse:
    if stage.name == "due":
        members = {"id": record.id, "state": "sent", "expires_in": ENROLMENT_CODE_LIFE}
    else:
        members = {"id": record.id, "state": "waiting", "sent_in": ceil(stage.wait)}
    return json_response(202, RestoreResponse.from_members(members).to_members())
