"""The reply that asks for a proof: methods planned, a fresh session opened (upstile profile §3 "Step")."""

from typing import Literal

from upstile.protocol import Step
from upstile.server._errors import AuthorizationError
from upstile.server._http import HttpResponse, json_response
from upstile.server.authorization._budgets import TRIES, Budgets
from upstile.server.authorization._ceremony import Ceremony
from upstile.server.authorization._logins import masked
from upstile.server.authorization._offers import Plan, could_complete, plan_offers
from upstile.server.authorization._sessions import SESSION_LIFE, Sessions
from upstile.server.authorization.methods import Method, Purpose
from upstile.server.storage import AuthenticatorRecord, DurableStore, User


class Steps:
    """Makes steps.

    Args:
        issuer: our issuer identifier.
        methods: all methods, the strongest first.
        store: the users' authenticators.
        sessions: opens the auth session of each step.
        budgets: what is locked, and what is left.
        enrollment_uri: where a user can enrol what is missing.
    """

    def __init__(
        self,
        *,
        issuer: str,
        methods: tuple[Method, ...],
        store: DurableStore,
        sessions: Sessions,
        budgets: Budgets,
        enrollment_uri: str,
    ) -> None:
        self._issuer = issuer
        self._methods = methods
        self._store = store
        self._sessions = sessions
        self._budgets = budgets
        self._enrollment_uri = enrollment_uri

    def method(self, name: str) -> Method:
        """The method with this name, which an earlier step offered."""
        return next(method for method in self._methods if method.name == name)

    async def plan(self, ceremony: Ceremony, now: float) -> list[Plan]:
        """What can be offered now.

        Raises:
            AuthorizationError: `unmet_authentication_requirements`, or `temporarily_locked` if only that is in the way.
        """
        user = ceremony.login.user(self._issuer)
        plans = plan_offers(ceremony, self._methods, await self._store.authenticators(user), now)
        if not plans:
            raise self._unmet(ceremony, now)
        locked = await self._budgets.locked(user, now)
        if locked is None:
            return plans
        unlocked = [plan for plan in plans if not plan.method.guessable]
        if not unlocked:
            raise temporarily_locked(locked.retry_after)
        return unlocked

    async def reply(
        self,
        ceremony: Ceremony,
        plans: list[Plan],
        now: float,
        *,
        result: Literal["rejected", "accepted"] | None = None,
    ) -> HttpResponse:
        """Open a session for `ceremony` and ask."""
        purpose = Purpose(client_id=ceremony.client_id, jkt=ceremony.jkt, resource=ceremony.resource)
        offered = {plan.method.name: plan.offered(purpose) for plan in plans}
        asked = ceremony.model_copy(update={"offered": {name: item.state for name, item in offered.items()}})
        step = Step(
            auth_session=await self._sessions.open(asked, now),
            expires_in=SESSION_LIFE,
            attempts_left=await self._attempts_left(ceremony, plans, now),
            account=masked(ceremony.login.account),
            authn_methods=tuple(item.offer for item in offered.values()),
            result=result,
        )
        return json_response(403, step.to_members())

    async def authenticators(self, user: User, method: str) -> list[AuthenticatorRecord]:
        """The user's active authenticators of a method, as they are now."""
        enrolled = await self._store.authenticators(user)
        return [record for record in enrolled if record.method == method and record.state == "active"]

    async def _attempts_left(self, ceremony: Ceremony, plans: list[Plan], now: float) -> int:
        left = max(1, TRIES - ceremony.wrong)
        if not any(plan.method.guessable for plan in plans):
            return left
        user = ceremony.login.user(self._issuer)
        return min(left, await self._budgets.left(user, ceremony.login, ceremony.jkt, now))

    def _unmet(self, ceremony: Ceremony, now: float) -> AuthorizationError:
        would_do = [method.name for method in self._methods if could_complete(ceremony, method, now)]
        return AuthorizationError(
            "unmet_authentication_requirements",
            "nothing that this user has enrolled, and this client can do, reaches what was asked",
            members={"enrollable_methods": would_do, "enrollment_uri": self._enrollment_uri},
        )


def temporarily_locked(retry_after: int) -> AuthorizationError:
    """Too many wrong answers: not now."""
    return AuthorizationError(
        "temporarily_locked", "too many wrong answers; try again later", status=429, retry_after=retry_after
    )
