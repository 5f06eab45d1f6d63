"""The first code to a new destination: counted, sent, remembered with what is pending (upstile profile §7, §8)."""

from upstile.server._errors import Rejection
from upstile.server.audit import Events, whereabouts
from upstile.server.authorization.enrolment._changes import Changes, not_found, user_of
from upstile.server.authorization.methods import Order, Sends, Sent
from upstile.server.authorization.user._account import discarded, with_data
from upstile.server.authorization.user._budgets import side_of
from upstile.server.authorization.user._places import Place
from upstile.server.authorization.user._sends import first_sent, not_sent, sent, wait_to_send, wait_to_send_first
from upstile.server.authorization.user._user_state import UserState
from upstile.server.resource._guarded_call import GuardedCall
from upstile.server.resource._refusal import problem, slow_down
from upstile.server.storage import Account, AuthenticatorRecord, Found, Kept, Names, OneTimeStore

_AGAIN = 1
"""Seconds after which who could not be served may come again."""


class FirstCodes:
    """Sends first codes.

    Args:
        changes: changes what is pending.
        store: what is counted for users.
        names: makes its keys.
        events: is told.
    """

    def __init__(self, *, changes: Changes, store: OneTimeStore, names: Names, events: Events) -> None:
        self._changes = changes
        self._store = store
        self._names = names
        self._events = events

    async def count(self, call: GuardedCall, place: str, now: float) -> None:
        """Count one send, before it happens: on the caller's side, for the user, and for the place.

        Raises:
            Rejection: there were too many.
        """
        key, place_key = self._names("user", call.token.subject), self._names("place", place)

        def decide(found: Found) -> tuple[Kept, None]:
            user = UserState.read(found.get(key))
            side = side_of(user, call.token.jkt, now)
            there = Place.read(found.get(place_key))
            wait = max(wait_to_send_first(user, side, now), there.wait(now))
            if wait:
                raise slow_down(wait)
            return {key: first_sent(user, side, now).record(now), place_key: there.sent(now)}, None

        await self._store.update_many([key, place_key], decide, now)

    async def count_to_known(self, call: GuardedCall, now: float) -> None:
        """Count one send to a place that is the user's own, on the caller's side alone, as in a ceremony.

        Raises:
            Rejection: there were too many.
        """
        key = self._names("user", call.token.subject)

        def decide(found: Found) -> tuple[Kept, None]:
            user = UserState.read(found.get(key))
            side = side_of(user, call.token.jkt, now)
            wait = wait_to_send(user, side, now)
            if wait:
                raise slow_down(wait)
            return {key: sent(user, side, now).record(now)}, None

        await self._store.update_many([key], decide, now)

    async def send(
        self, call: GuardedCall, record: AuthenticatorRecord, sends: Sends, account: str, now: float
    ) -> None:
        """Send the code, outside of any transaction, and remember it. Raises `Rejection` where that failed."""
        address, language = whereabouts()
        order = Order(
            user=user_of(call),
            record=record,
            account=account,
            app=call.token.client_id or "",
            purpose="enrol",
            language=language,
            address=address,
            now=now,
        )
        outcome = await sends.send(order)
        if outcome is None:
            await self._changes.change(call, lambda account: discarded(account, record.id), now)
            raise await self.given_back(call, record, now)
        await self._remember(call, record, outcome, now)

    async def _remember(self, call: GuardedCall, record: AuthenticatorRecord, sent: Sent, now: float) -> None:
        event = self._changes.event("code-sent", call, record, now)
        data = {**record.data, "sent_code": dict(sent.state)}

        def decide(account: Account) -> tuple[Account, bool]:
            return with_data(account, record.id, data, now)

        if not await self._changes.change(call, decide, now, event):
            raise not_found()
        await self._events.tell(event, written=True)

    async def given_back(self, call: GuardedCall, record: AuthenticatorRecord, now: float) -> Rejection:
        """What is answered where nothing could be sent; the send is not counted."""
        key = self._names("user", call.token.subject)

        def decide(found: Found) -> tuple[Kept, None]:
            user = UserState.read(found.get(key))
            return {key: not_sent(user, side_of(user, call.token.jkt, now), now).record(now)}, None

        await self._store.update_many([key], decide, now)
        event = self._changes.event("code-not-sent", call, record, now)
        await self._events.tell(event)
        return problem("not-sent", 503, retry_after=_AGAIN)
