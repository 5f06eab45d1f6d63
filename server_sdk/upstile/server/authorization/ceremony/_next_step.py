"""What an answer leads to where it does not end the ceremony: the next step, or the refusal that ends it."""

from dataclasses import replace

from upstile.server._errors import AuthorizationError
from upstile.server.audit import EventKind, Events, SecurityEvent
from upstile.server.authorization._response import error_response
from upstile.server.authorization.ceremony._ceremony import Ceremony
from upstile.server.authorization.ceremony._claim import Answer, Claimed
from upstile.server.authorization.ceremony._outcome import Outcome
from upstile.server.authorization.ceremony._steps import Result, Steps
from upstile.server.authorization.methods import Verified
from upstile.server.authorization.user._budgets import left
from upstile.server.authorization.user._user_state import UserState


class NextSteps:
    """Asks again.

    Args:
        steps: plans and writes steps.
        events: is told of what ends a ceremony.
    """

    def __init__(self, *, steps: Steps, events: Events) -> None:
        self._steps = steps
        self._events = events

    def after(
        self,
        answer: Answer,
        claimed: Claimed,
        ceremony: Ceremony,
        user: UserState,
        now: float,
        result: Result,
        *,
        resend_after: int | None = None,
        codes_left: int | None = None,
    ) -> Outcome:
        """The step after an answer.

        Args:
            answer, claimed: the answer.
            ceremony, user: as it leaves them.
            now: epoch seconds.
            result: what the step says of it.
            resend_after: seconds until another code may be sent.
            codes_left: recovery codes that are left, where one was the answer.
        """
        try:
            plans = self._steps.plan(ceremony, answer.held, user, claimed.side, now)
        except AuthorizationError as error:
            refused = event_of("answer-refused", answer, now)
            self._events.note(replace(refused, reason=error.code, detail=error.description))
            return Outcome(reply=error_response(error), kept={})
        budget = left(user, ceremony.login, claimed.side)
        asked = self._steps.ask(
            ceremony, plans, budget, now, result=result, resend_after=resend_after, codes_left=codes_left
        )
        return Outcome(reply=asked.reply, kept=asked.kept)


def event_of(
    kind: EventKind, answer: Answer, now: float, *, reason: str | None = None, detail: str | None = None
) -> SecurityEvent:
    """What is told of an answer."""
    user, client_id, method = answer.account.user, answer.ceremony.client_id, answer.method.traits.name
    return SecurityEvent(kind=kind, user=user, client_id=client_id, method=method, reason=reason, detail=detail, at=now)


def told_of(
    answer: Answer, claimed: Claimed, proved: Ceremony, verified: Verified, outcome: Outcome, now: float
) -> list[SecurityEvent]:
    """What is told of a right answer."""
    left = None if verified.codes_left is None else str(verified.codes_left)
    kinds: list[EventKind] = ["ceremony-succeeded" if outcome.ends else "answer-accepted"]
    if outcome.ends and proved.succeeded and claimed.side is None and proved.jkt is not None:
        kinds.append("device-known")
    told = [event_of(kind, answer, now, detail=left) for kind in verified.tells]
    return [*told, *(event_of(kind, answer, now) for kind in kinds)]
