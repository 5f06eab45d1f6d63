"""An answer: found, claimed, counted, checked, in this order; then a code or another step (upstile profile §3)."""

from dataclasses import dataclass, field
from typing import Any

from upstile.protocol import AnswerRequest, MalformedMessage
from upstile.server._errors import AuthorizationError
from upstile.server._events import EventKind, Events, SecurityEvent
from upstile.server._http import HttpResponse, json_response
from upstile.server.authorization._budgets import TRIES, Budgets, Counted, Locked, LoginLost
from upstile.server.authorization._ceremony import Ceremony
from upstile.server.authorization._codes import Codes
from upstile.server.authorization._response import error_response
from upstile.server.authorization._sessions import Repeat, Sessions
from upstile.server.authorization._steps import Steps, temporarily_locked
from upstile.server.authorization._subject import Subjects, login_lost
from upstile.server.authorization.methods import Method, Verified
from upstile.server.storage import AuthenticatorRecord, DurableStore, User


@dataclass(frozen=True, kw_only=True, slots=True)
class _Claimed:
    """An answer that this request alone judges."""

    ceremony: Ceremony
    user: User
    method: Method
    response: Any = field(repr=False)


class Answers:
    """Judges answers.

    Args:
        issuer: our issuer identifier.
        sessions: the open steps.
        steps: asks again.
        subjects: judges the subject token again before a code is issued.
        budgets: counts guesses.
        codes: issues authorization codes.
        store: the users' authenticators.
        events: is told.
    """

    def __init__(
        self,
        *,
        issuer: str,
        sessions: Sessions,
        steps: Steps,
        subjects: Subjects,
        budgets: Budgets,
        codes: Codes,
        store: DurableStore,
        events: Events,
    ) -> None:
        self._issuer = issuer
        self._sessions = sessions
        self._steps = steps
        self._subjects = subjects
        self._budgets = budgets
        self._codes = codes
        self._store = store
        self._events = events

    async def handle(self, answer: AnswerRequest, form: str, jkt: str | None, now: float) -> HttpResponse:
        """Judge an answer.

        Args:
            answer: the answer.
            form: the mark of the whole form, which tells a repetition from another answer.
            jkt: the thumbprint of the proof's key.
            now: epoch seconds.

        Raises:
            AuthorizationError: nothing was judged.
        """
        found = await self._sessions.look(answer.auth_session, answer.client_id, jkt, form, now)
        if isinstance(found, Repeat):
            return _repeated(found)
        if found is None:
            raise AuthorizationError("invalid_session", "this session is not open, or not to you")
        method = self._offered_method(found, answer.authn_method)
        response = _read(method, answer)
        user = found.login.user(self._issuer)
        await self._subjects.still_good(found, now)
        if not await self._sessions.claim(answer.auth_session, form, now):
            raise _being_judged()
        claimed = _Claimed(ceremony=found, user=user, method=method, response=response)
        try:
            reply = await self._judge(claimed, await self._count(claimed, now), now)
        except BaseException:  # nothing was said, so the session is not over
            await self._sessions.release(answer.auth_session, now)
            raise
        await self._sessions.close(answer.auth_session, form, found, reply, now)
        return reply

    def _offered_method(self, ceremony: Ceremony, name: str) -> Method:
        if name not in ceremony.offered:
            raise AuthorizationError("invalid_request", "this method was not offered")
        return self._steps.method(name)

    async def _count(self, claimed: _Claimed, now: float) -> Counted:
        if not claimed.method.guessable:
            return Counted(left=TRIES, retry_after=1)
        ceremony = claimed.ceremony
        try:
            counted = await self._budgets.count_guess(claimed.user, ceremony.login, ceremony.jkt, now)
        except LoginLost as error:
            raise login_lost() from error
        if isinstance(counted, Locked):
            raise temporarily_locked(counted.retry_after)
        return counted

    async def _judge(self, claimed: _Claimed, counted: Counted, now: float) -> HttpResponse:
        method, ceremony = claimed.method, claimed.ceremony
        authenticators = await self._steps.authenticators(claimed.user, method.name)
        verified = await method.verify(claimed.response, ceremony.offered[method.name], authenticators, now)
        if verified is None:
            return await self._rejected(claimed, counted, [record.id for record in authenticators], now)
        await self._note(claimed, verified, authenticators, now)
        proved = ceremony.with_proof(verified.proof, now)
        if not proved.complete(now):
            return await self._ask_again(proved, now, result="accepted")
        await self._tell("ceremony-succeeded", claimed, now)
        await self._budgets.remember_key(claimed.user, ceremony.jkt, now)
        return json_response(200, {"authorization_code": await self._codes.issue(proved, now)})

    async def _note(
        self, claimed: _Claimed, verified: Verified, authenticators: list[AuthenticatorRecord], now: float
    ) -> None:
        record = verified.authenticator
        if claimed.method.guessable:
            ids = [known.id for known in authenticators]
            await self._budgets.guess_succeeded(claimed.user, claimed.ceremony.login, ids, now)
        await self._store.touch(claimed.user, record.id, verified.data, int(now))

    async def _rejected(
        self, claimed: _Claimed, counted: Counted, authenticators: list[str], now: float
    ) -> HttpResponse:
        if claimed.method.guessable:
            await self._disable_worn_out(claimed, authenticators, now)
        await self._tell("answer-rejected", claimed, now)
        ceremony = claimed.ceremony.model_copy(update={"wrong": claimed.ceremony.wrong + 1})
        if min(counted.left, TRIES - ceremony.wrong) <= 0:
            if counted.left <= 0:
                await self._tell("answer-locked", claimed, now)
            return error_response(temporarily_locked(counted.retry_after))
        return await self._ask_again(ceremony, now, result="rejected")

    async def _disable_worn_out(self, claimed: _Claimed, authenticators: list[str], now: float) -> None:
        for id in authenticators:
            if await self._budgets.guess_failed(id, now):
                await self._store.disable(claimed.user, id)
                await self._tell("authenticator-disabled", claimed, now)

    async def _ask_again(self, ceremony: Ceremony, now: float, *, result: Any) -> HttpResponse:
        try:
            return await self._steps.reply(ceremony, await self._steps.plan(ceremony, now), now, result=result)
        except AuthorizationError as error:
            return error_response(error)

    async def _tell(self, kind: EventKind, claimed: _Claimed, now: float) -> None:
        await self._events.tell(
            SecurityEvent(
                kind=kind,
                user=claimed.user,
                client_id=claimed.ceremony.client_id,
                method=claimed.method.name,
                at=now,
            )
        )


def _read(method: Method, answer: AnswerRequest) -> Any:
    try:
        return method.read(answer)
    except MalformedMessage as error:
        raise AuthorizationError("invalid_request", str(error)) from error


def _repeated(repeat: Repeat) -> HttpResponse:
    if repeat.reply is None:
        raise _being_judged()
    return repeat.reply


def _being_judged() -> AuthorizationError:
    message = "this answer is being judged already"
    return AuthorizationError("slow_down", message, status=429, retry_after=1)
