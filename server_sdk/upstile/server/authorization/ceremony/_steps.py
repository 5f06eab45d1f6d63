"""The reply that asks for a proof: methods planned, a fresh session made (upstile profile §3 "Step")."""

from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any, Literal

from upstile.protocol import AnswerRequest, Step
from upstile.server._changed import changed
from upstile.server._errors import AuthorizationError
from upstile.server._http import HttpResponse, json_response
from upstile.server.authorization._lives import SESSION_LIFE
from upstile.server.authorization.ceremony._ceremony import Ceremony
from upstile.server.authorization.ceremony._offers import Plan, active_of, could_complete, held, open_to, plan_offers
from upstile.server.authorization.ceremony._sessions import Session
from upstile.server.authorization.methods import Method, Purpose, Sends
from upstile.server.authorization.user._budgets import TRIES, Side, lock_of, starts_are_used_up
from upstile.server.authorization.user._logins import masked
from upstile.server.authorization.user._sends import wait_to_send
from upstile.server.authorization.user._user_state import UserState
from upstile.server.storage import Account, AuthenticatorRecord, Kept, Names

Result = Literal["sent", "not_sent", "rejected", "accepted"]
"""What a step says of the answer before it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A step that is ready: what the phase writes, and what the client is sent."""

    kept: Kept
    reply: HttpResponse
    guessable: bool


class Steps:
    """Makes steps.

    Args:
        names: makes the keys of sessions.
        methods: all methods, the strongest first.
        enrollment_uri: where a user can enrol what is missing.
    """

    def __init__(self, *, names: Names, methods: tuple[Method, ...], enrollment_uri: str) -> None:
        self._names = names
        self._methods = {method.traits.key: method for method in methods}
        self._enrollment_uri = enrollment_uri

    def method(
        self, ceremony: Ceremony, request: AnswerRequest, held: Sequence[AuthenticatorRecord]
    ) -> tuple[Method, AuthenticatorRecord | None]:
        """The method that an answer is by and, where several share its name, the authenticator that it is about.

        Raises:
            AuthorizationError: it was not offered, or is no longer configured.
        """
        for key in ceremony.offered:
            method = self._methods.get(key)
            if method is None or method.traits.name != request.authn_method:
                continue
            if method.traits.channel is None:
                return method, None
            for record in active_of(method, held):
                if record.id == request.authn_id:
                    return method, record
        raise AuthorizationError("invalid_request", "this method was not offered")

    def known(self, methods: Sequence[str]) -> tuple[str, ...]:
        """Those of a client's methods that there are here."""
        here = {method.traits.name for method in self._methods.values()}
        return tuple(name for name in dict.fromkeys(methods) if name in here)

    def held(self, account: Account) -> tuple[AuthenticatorRecord, ...]:
        """What a user can answer with."""
        return held(account, self._methods.values())

    def plan(
        self, ceremony: Ceremony, held: Sequence[AuthenticatorRecord], user: UserState, side: Side, now: float
    ) -> list[Plan]:
        """What can be offered now; `held` is what the user can answer with.

        Raises:
            AuthorizationError: `unmet_authentication_requirements`, or `temporarily_locked` or `slow_down` if only that
                is in the way.
        """
        methods = self._methods.values()
        plans = plan_offers(ceremony, methods, open_to(held, user, side), now)
        if not plans:
            raise self._unmet_by(ceremony, held, now)
        plans = self._that_can_be_sent(ceremony, plans, wait_to_send(user, side, now))
        locked = lock_of(user, side, now)
        if locked is None and not starts_are_used_up(user, side, now):
            return plans
        unguessable = [plan for plan in plans if not plan.method.traits.guessable]
        if not unguessable and locked is not None:
            raise temporarily_locked(locked)
        return unguessable or plans  # a start says how long to wait

    def ask(
        self,
        ceremony: Ceremony,
        plans: Sequence[Plan],
        left: int,
        now: float,
        *,
        result: Result | None = None,
        resend_after: int | None = None,
        codes_left: int | None = None,
    ) -> Asked:
        """A step for `ceremony`; `left` are the tries of the budgets beyond the ceremony's own."""
        purpose = Purpose(client_id=ceremony.client_id, jkt=ceremony.jkt, resource=ceremony.resource)
        offered = {plan.key: plan.offered(purpose, ceremony.offered.get(plan.key, {})) for plan in plans}
        guessable = any(plan.method.traits.guessable for plan in plans)
        own = max(1, TRIES - ceremony.wrong)
        name = token_urlsafe(32)
        life = max([SESSION_LIFE, *(int(item.until - now) for item in offered.values() if item.until is not None)])
        step = Step(
            auth_session=name,
            expires_in=life,
            attempts_left=min(own, left) if guessable else own,
            account=masked(ceremony.login.account),
            authn_methods=tuple(offer for item in offered.values() for offer in item.offers),
            result=result,
            resend_after=resend_after,
            recovery_codes_left=codes_left,
        )
        states = {key: dict(item.state) for key, item in offered.items()}
        asked = changed(ceremony, offered=states, asked_at=now)
        kept = {self._names("session", name): Session.open(asked, now + life).record()}
        return Asked(kept=kept, reply=json_response(403, step.to_members()), guessable=guessable)

    @staticmethod
    def _that_can_be_sent(ceremony: Ceremony, plans: list[Plan], wait: int) -> list[Plan]:
        """Without those whose codes cannot be sent now and were not."""
        if not wait:
            return plans
        ready = [plan for plan in plans if not isinstance(plan.method, Sends) or ceremony.offered.get(plan.key)]
        if not ready:
            raise slow_down("too many codes were sent", wait)
        return ready

    def _unmet_by(self, ceremony: Ceremony, held: Sequence[AuthenticatorRecord], now: float) -> AuthorizationError:
        """Why nothing can be offered; what could be enrolled is said only where that would help."""
        methods = self._methods.values()
        if plan_offers(ceremony, methods, held, now):
            return unmet("what would do is closed to unknown keys", detail=_CLOSED)
        enrolled = [method for method in methods if method.traits.enrolled]
        if plan_offers(ceremony.with_best_login(now), enrolled, held, now):
            return unmet("what is enrolled would do with another base login", detail=_ANOTHER_SIGN_IN)
        everybodys = [method for method in methods if not method.traits.enrolled]
        new = [method for method in enrolled if not method.traits.backup]
        would_do = list(dict.fromkeys(m.traits.name for m in new if could_complete(ceremony, m, everybodys, now)))
        return unmet(_UNMET, enrollable_methods=would_do, enrollment_uri=self._enrollment_uri)


_UNMET = "nothing that this user has enrolled, and this client can do, reaches what was asked"
_CLOSED = (
    "After too many wrong codes from unknown devices, codes are taken only from devices that you have used before."
    " Use one of those, or another method, to let new devices try again; or ask for help."
)
_ANOTHER_SIGN_IN = (
    "What you have set up is not enough together with the way you signed in. Sign in again in another way,"
    " such as with your password."
)


def unmet(description: str = _UNMET, **members: Any) -> AuthorizationError:
    """Nothing reaches what was asked."""
    return AuthorizationError("unmet_authentication_requirements", description, members=members)


def temporarily_locked(retry_after: int) -> AuthorizationError:
    """Too many wrong answers: not now."""
    return AuthorizationError(
        "temporarily_locked", "too many wrong answers; try again later", status=429, retry_after=retry_after
    )


def slow_down(message: str, retry_after: int) -> AuthorizationError:
    """Too early: nothing was judged."""
    return AuthorizationError("slow_down", message, status=429, retry_after=retry_after)
