"""An answer: found, claimed and counted, checked, written (upstile profile §3).

Two transactions: `_claim` before anything is checked, `_outcome` after. A node that dies in between gives no try back,
and what it would have written is written by nobody: after ten seconds the identical form is judged again, uncounted.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from secrets import token_urlsafe
from typing import Any

from upstile.protocol import AnswerRequest, CodeResponse, MalformedMessage
from upstile.server._errors import AuthorizationError
from upstile.server._http import HttpResponse, json_response
from upstile.server.audit import EventKind, Events, in_words, learn
from upstile.server.authorization._lives import CLAIM_LIFE
from upstile.server.authorization._possession import Possession
from upstile.server.authorization._response import error_response, temporarily_unavailable
from upstile.server.authorization.ceremony._claim import Answer, Claimed, being_judged, claim, no_session
from upstile.server.authorization.ceremony._next_step import NextSteps, event_of, told_of
from upstile.server.authorization.ceremony._outcome import (
    Outcome,
    UsedBefore,
    after_right,
    is_success,
    with_proof_of,
    write_right,
    write_wrong,
)
from upstile.server.authorization.ceremony._sending import Sending, sends_of
from upstile.server.authorization.ceremony._sessions import Session, open_reply
from upstile.server.authorization.ceremony._steps import Steps, temporarily_locked
from upstile.server.authorization.ceremony._subject import Subjects
from upstile.server.authorization.methods import Method, Sends, Verified
from upstile.server.authorization.methods._in_time import MethodFailed, in_time
from upstile.server.authorization.tokens._codes import issued
from upstile.server.authorization.user._budgets import LAST_TRY, TRIES, whole_seconds
from upstile.server.authorization.user._closing import Closings
from upstile.server.authorization.user._restore_cancels import RestoreCancels
from upstile.server.storage import AuthenticatorRecord, Found, Kept, Names, OneTimeKey, Storage, User

_LOOKS = 2
"""Times that an answer is held against the authenticators: of two that race, the later one sees what the first did."""


class Answers:
    """Judges answers.

    Args:
        issuer: our issuer identifier.
        storage: everything that is read and written.
        names: makes the keys of one-time state.
        steps: knows the methods.
        subjects: judges the subject token again before a code is issued.
        sending: sends codes.
        next_steps: asks again.
        closings: closes what was guessed at too often.
        restore_cancels: ends a way back by mail that is not needed.
        events: is told.
        clock: the time in epoch seconds; a process may have been stopped since it claimed an answer.
        refuse_copies: whether a right answer is wrong whose authenticator's counter went back.
    """

    def __init__(
        self,
        *,
        issuer: str,
        storage: Storage,
        names: Names,
        steps: Steps,
        subjects: Subjects,
        sending: Sending,
        next_steps: NextSteps,
        closings: Closings,
        restore_cancels: RestoreCancels,
        events: Events,
        clock: Callable[[], float],
        refuse_copies: bool,
    ) -> None:
        self._issuer = issuer
        self._storage = storage
        self._names = names
        self._steps = steps
        self._subjects = subjects
        self._sending = sending
        self._next_steps = next_steps
        self._closings = closings
        self._restore_cancels = restore_cancels
        self._events = events
        self._clock = clock
        self._refuse_copies = refuse_copies

    async def handle(self, request: AnswerRequest, form: str, possession: Possession, now: float) -> HttpResponse:
        """Judge an answer.

        Args:
            request: the answer.
            form: the mark of the whole form, which tells a repetition from another answer.
            possession: the key of the request.
            now: epoch seconds.

        Raises:
            AuthorizationError: nothing was judged.
        """
        key = self._names("session", request.auth_session)
        found = await self._storage.one_time.get_many([key], now)
        session = Session.read(found.get(key), request.client_id, possession.jkt)
        meets = session.meets(form, now) if session is not None else None
        if session is None or meets is None:
            raise no_session()
        if meets == "judging":
            raise being_judged()
        if meets == "answered":
            return await self._again(request.auth_session, key, session, possession, now)
        answer = await self._read(request, form, key, session, possession, now)
        sends = sends_of(answer)
        if sends is not None:
            return await self._sending.handle(answer, sends, now)
        keys = [answer.session, answer.user, *possession.keys]
        claimed = await self._storage.one_time.update_many(keys, lambda found: claim(answer, found, now), now)
        return await self._judge(answer, claimed, now)

    async def _again(
        self, name: str, key: OneTimeKey, session: Session, possession: Possession, now: float
    ) -> HttpResponse:
        """The reply that the identical form got before; only the proof is used up."""

        def decide(found: Found) -> tuple[Kept, None]:
            return possession.used(found, now), None

        await self._storage.one_time.update_many([key, *possession.keys], decide, now)
        return open_reply(name, session.body)

    async def _read(
        self, request: AnswerRequest, form: str, key: OneTimeKey, session: Session, possession: Possession, now: float
    ) -> Answer:
        ceremony = session.ceremony
        learn(
            user=ceremony.login.user(self._issuer),
            client_id=ceremony.client_id,
            ceremony=ceremony.id,
            instance=ceremony.instance,
            requirement=in_words(ceremony.acr_values, ceremony.max_age),
        )
        account = await self._storage.durable.account(ceremony.login.user(self._issuer))
        held = self._steps.held(account)
        method, named = self._steps.method(ceremony, request, held)
        learn(method=method.traits.name)
        asks_to_send = isinstance(method, Sends) and request.otp is None
        response = None if asks_to_send else _response(method, request)
        await self._subjects.still_good(ceremony, now)
        return Answer(
            name=request.auth_session,
            form=form,
            mark=token_urlsafe(9),
            possession=possession,
            ceremony=ceremony,
            account=account,
            held=held,
            method=method,
            named=named,
            response=response,
            session=key,
            user=self._names("user", ceremony.login.subject),
            asks_to_send=asks_to_send,
        )

    async def _judge(self, answer: Answer, claimed: Claimed, now: float) -> HttpResponse:
        worn_out = self._worn_out(answer, claimed)
        if worn_out:  # before it is known whether the last try is right, as all that is counted
            self._check_claim(claimed)
            await self._closings.close(answer.account.user, worn_out)
        reply = await self._reply_if_right(answer, claimed, now)
        if reply is not None:
            if worn_out:
                await self._closings.keep_open(answer.account.user, worn_out)
            return reply
        return await self._wrong(answer, claimed, now, closes=bool(worn_out))

    async def _reply_if_right(self, answer: Answer, claimed: Claimed, now: float) -> HttpResponse | None:
        method, user = answer.method, answer.account.user
        state, authenticators = answer.ceremony.offered[method.traits.key], claimed.authenticators
        for _ in range(_LOOKS):
            verdict = method.verify(answer.response, state, user, authenticators, claimed.claim.judged_at)
            verified = await _judged(verdict, method.traits.name)
            if verified is None or await self._is_refused_copy(answer, verified, now):
                break
            try:
                return await self._right(answer, claimed, verified, now)
            except UsedBefore:
                authenticators = await self._as_they_are(user, authenticators)
        return None

    async def _as_they_are(
        self, user: User, authenticators: Sequence[AuthenticatorRecord]
    ) -> tuple[AuthenticatorRecord, ...]:
        """The same authenticators once more: another answer used one of them after they were read."""
        ids = {record.id for record in authenticators}
        account = await self._storage.durable.account(user)
        return tuple(record for record in account.authenticators if record.id in ids and record.state == "active")

    async def _is_refused_copy(self, answer: Answer, verified: Verified, now: float) -> bool:
        """Report a counter that went back; whether the answer is refused for it (WebAuthn §7.2)."""
        if verified.back_from is None:
            return False
        went = f"{verified.authenticator.id}: {verified.counter} after {verified.back_from}"
        await self._events.tell(event_of("sign-count-went-back", answer, now, reason=went))
        return self._refuse_copies

    async def _right(self, answer: Answer, claimed: Claimed, verified: Verified, now: float) -> HttpResponse:
        proved = with_proof_of(answer, verified, claimed.claim.judged_at)
        if proved.complete(now):
            code = token_urlsafe(32)
            response = CodeResponse(authorization_code=code, recovery_codes_left=verified.codes_left)
            reply = json_response(200, response.to_members())
            outcome = Outcome(reply=reply, kept={self._names("code", code): issued(proved, now)}, ends=True)
        else:
            after = after_right(answer, claimed, claimed.user, proved, verified.authenticator.id, now)
            left = verified.codes_left
            outcome = self._next_steps.after(answer, claimed, proved, after, now, "accepted", codes_left=left)
        self._check_claim(claimed)
        account, app = answer.account, answer.ceremony.client_id
        await self._restore_cancels.answered(account, claimed.side, app, now, is_success=is_success(answer))
        events = told_of(answer, claimed, proved, verified, outcome, now)
        rows = self._events.in_phase(*events)
        await write_right(self._storage, answer, claimed, proved, verified, outcome, now, rows)
        self._events.telemetry.human_time(answer.method.traits.name, now - answer.ceremony.asked_at)
        for event in events:
            await self._events.tell(event, in_phase=True)
        return outcome.reply

    async def _wrong(self, answer: Answer, claimed: Claimed, now: float, *, closes: bool) -> HttpResponse:
        self._check_claim(claimed)
        charged = claimed.claim.charged
        if min(charged.left, TRIES - claimed.tries) <= 0:
            locked = temporarily_locked(whole_seconds(charged.until - now))
            outcome = Outcome(reply=error_response(locked), kept={})
        else:
            ceremony = replace(answer.ceremony, wrong=claimed.tries)
            outcome = self._next_steps.after(answer, claimed, ceremony, claimed.user, now, "rejected")
        kinds: list[EventKind] = ["answer-rejected", "answer-locked"] if charged.left <= 0 else ["answer-rejected"]
        if closes:
            kinds.insert(0, "authenticator-closed")
        events = [event_of(kind, answer, now) for kind in kinds]
        await write_wrong(self._storage, answer, claimed, outcome, now, self._events.in_phase(*events))
        for event in events:
            await self._events.tell(event, in_phase=True)
        return outcome.reply

    def _check_claim(self, claimed: Claimed) -> None:
        """Write nothing once others may judge: with two stores, what is used up is written before the mark is seen."""
        if not claimed.claim.holds(self._clock()):
            raise being_judged()

    @staticmethod
    def _worn_out(answer: Answer, claimed: Claimed) -> frozenset[str]:
        """What this guess closes to unknown keys, unless it is right."""
        failures = claimed.user.failures if claimed.side is None and answer.method.traits.guessable else {}
        return frozenset(record.id for record in claimed.authenticators if failures.get(record.id, 0) >= LAST_TRY)


async def _judged(verdict: Awaitable[Verified | None], method: str) -> Verified | None:
    """What a method says, if it says it in time.

    Raises:
        AuthorizationError: it breaks or hangs. The try stays counted: what breaks the check must be no free guess.
    """
    try:
        return await in_time(verdict, method, "judge an answer")
    except MethodFailed as error:
        raise temporarily_unavailable("the answer could not be judged", int(CLAIM_LIFE)) from error


def _response(method: Method, request: AnswerRequest) -> Any:
    try:
        return method.read(request)
    except MalformedMessage as error:
        raise AuthorizationError("invalid_request", str(error)) from error
