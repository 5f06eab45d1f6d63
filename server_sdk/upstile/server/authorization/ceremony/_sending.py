"""A code is sent: counted in one transaction, handed over in none, and the next step written in another.

Nobody can answer with the code before the next step is written, for the session that it counts in has no name.
What could not be handed over is given back; the step says so, and offers the same and everything else again.
"""

from upstile.server._changed import changed
from upstile.server._http import HttpResponse
from upstile.server.audit import EventKind, Events, in_words, whereabouts
from upstile.server.authorization.ceremony._ceremony import Ceremony
from upstile.server.authorization.ceremony._claim import Answer, Claimed, claim
from upstile.server.authorization.ceremony._next_step import NextSteps, event_of
from upstile.server.authorization.ceremony._outcome import Outcome, closed
from upstile.server.authorization.ceremony._sessions import seal_reply
from upstile.server.authorization.ceremony._steps import Result
from upstile.server.authorization.methods import Order, Sends, Sent
from upstile.server.authorization.user._sends import RESEND_AFTER, not_sent, wait_to_send
from upstile.server.authorization.user._user_state import UserState
from upstile.server.storage import Found, Kept, Storage


class Sending:
    """Sends codes.

    Args:
        storage: everything that is read and written.
        next_steps: asks again.
        events: is told.
    """

    def __init__(self, *, storage: Storage, next_steps: NextSteps, events: Events) -> None:
        self._storage = storage
        self._next_steps = next_steps
        self._events = events

    async def handle(self, answer: Answer, sends: Sends, now: float) -> HttpResponse:
        """Send a code to the destination that an answer names.

        Raises:
            AuthorizationError: it may not be sent now; nothing was counted.
        """
        keys = [answer.session, answer.user, *answer.possession.keys]
        claimed = await self._storage.one_time.update_many(keys, lambda found: claim(answer, found, now), now)
        sent = await self._sent(answer, claimed, sends, now)
        outcome = self._next(answer, claimed, sent, now)
        kind: EventKind = "code-not-sent" if sent is None else "code-sent"
        event = event_of(kind, answer, now)
        sealed = seal_reply(answer.name, outcome.reply)

        def decide(found: Found) -> tuple[Kept, None]:
            kept = {**outcome.kept, **closed(answer, claimed, found, sealed, now)}
            if sent is None:
                user = not_sent(UserState.read(found.get(answer.user)), claimed.side, now)
                kept[answer.user] = user.record(now)
            return kept, None

        keys = [answer.session, answer.user, *outcome.kept]
        await self._storage.one_time.update_many(keys, decide, now, self._events.in_phase(event))
        await self._events.tell(event, in_phase=True)
        return outcome.reply

    async def _sent(self, answer: Answer, claimed: Claimed, sends: Sends, now: float) -> Sent | None:
        """Hand the code over. Where the destination went in between, nothing is sent."""
        if not claimed.authenticators:
            return None
        ceremony, (address, language) = answer.ceremony, whereabouts()
        order = Order(
            user=answer.account.user,
            record=claimed.authenticators[0],
            account=ceremony.login.account,
            app=ceremony.client_id,
            purpose="confirm",
            requirement=in_words(ceremony.acr_values, ceremony.max_age) or None,
            language=language,
            address=address,
            now=now,
        )
        return await sends.send(order)

    def _next(self, answer: Answer, claimed: Claimed, sent: Sent | None, now: float) -> Outcome:
        """The next step. What was sent before is void once another code is on its way, and stays good otherwise."""
        ceremony, user, result = answer.ceremony, claimed.user, _result(sent)
        wait = 0
        if sent is not None:
            ceremony = _with(ceremony, answer.method.traits.key, sent)
            wait = max(RESEND_AFTER, wait_to_send(user, claimed.side, now))
        else:
            user = not_sent(user, claimed.side, now)
        return self._next_steps.after(answer, claimed, ceremony, user, now, result, resend_after=wait or None)


def sends_of(answer: Answer) -> Sends | None:
    """Who sends, where an answer asks for that."""
    return answer.method if answer.asks_to_send and isinstance(answer.method, Sends) else None


def _result(sent: Sent | None) -> Result:
    return "not_sent" if sent is None else "sent"


def _with(ceremony: Ceremony, key: str, sent: Sent) -> Ceremony:
    return changed(ceremony, offered={**ceremony.offered, key: dict(sent.state)})
