"""A start: who asks, for what, and may they (upstile profile §3 "Start")."""

from upstile.protocol import AUTHENTICATORS_SCOPE, StartRequest
from upstile.server._errors import AuthorizationError
from upstile.server._events import Events, SecurityEvent
from upstile.server._http import HttpResponse
from upstile.server.authorization._acr import OFFERED
from upstile.server.authorization._apps import Apps
from upstile.server.authorization._budgets import Budgets
from upstile.server.authorization._ceremony import Ceremony
from upstile.server.authorization._steps import Steps
from upstile.server.authorization._subject import Subject, Subjects


class Starts:
    """Opens ceremonies.

    Args:
        resources: the resource identifiers that tokens can be had for.
        issuer: our issuer identifier.
        clients: the registered apps.
        subjects: judges the subject token.
        steps: writes the reply.
        budgets: counts started ceremonies.
        events: is told.
    """

    def __init__(
        self,
        *,
        resources: frozenset[str],
        issuer: str,
        clients: Apps,
        subjects: Subjects,
        steps: Steps,
        budgets: Budgets,
        events: Events,
    ) -> None:
        self._resources = resources
        self._issuer = issuer
        self._apps = clients
        self._subjects = subjects
        self._steps = steps
        self._budgets = budgets
        self._events = events

    async def handle(self, start: StartRequest, jkt: str | None, now: float) -> HttpResponse:
        """Judge a start and ask for the first proof.

        Raises:
            AuthorizationError: the start is refused; a refused one is not counted.
        """
        client = self._apps.get(start.client_id)
        if start.resource not in self._resources:
            raise AuthorizationError("invalid_target", "this resource is not known here")
        if start.authorization_details not in (None, "[]"):
            raise AuthorizationError("invalid_authorization_details", "no type of authorization details is known here")
        subject = await self._subjects.judge(
            start.subject_token, client_id=start.client_id, jkt=jkt, resource=start.resource, now=now
        )
        ceremony = _ceremony(start, subject, client.scopes, jkt)
        plans = await self._steps.plan(ceremony, now)
        await self._count(ceremony, now)
        return await self._steps.reply(ceremony, plans, now)

    async def _count(self, ceremony: Ceremony, now: float) -> None:
        user = ceremony.login.user(self._issuer)
        locked = await self._budgets.count_start(user, ceremony.login, ceremony.jkt, now)
        if locked is not None:
            message = "too many ceremonies were started"
            raise AuthorizationError("slow_down", message, status=429, retry_after=locked.retry_after)
        await self._events.tell(SecurityEvent(kind="ceremony-started", user=user, client_id=ceremony.client_id, at=now))


def _ceremony(start: StartRequest, subject: Subject, allowed: frozenset[str], jkt: str | None) -> Ceremony:
    asked = frozenset((start.scope or "").split())
    acr_values = tuple((start.acr_values or "").split())
    known = tuple(acr for acr in acr_values if acr in OFFERED)
    methods = None if start.authn_methods_supported is None else tuple(start.authn_methods_supported.split())
    return Ceremony(
        login=subject.login,
        subject_jti=subject.token.jti,
        subject_expires_at=subject.token.expires_at,
        client_id=start.client_id,
        jkt=jkt,
        resource=start.resource,
        scope=(subject.token.scope | asked) & (allowed | {AUTHENTICATORS_SCOPE}),
        acr_values=known or acr_values,  # unknown names alone are kept: nothing reaches them
        max_age=None if start.max_age is None else int(start.max_age),
        code_challenge=start.code_challenge,
        methods=methods,
        offered={},
    )
