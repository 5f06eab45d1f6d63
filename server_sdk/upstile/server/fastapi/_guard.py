"""A requirement as a FastAPI dependency."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from fastapi.openapi.models import HTTPBearer
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketState

from upstile.protocol import Requirement
from upstile.server._errors import ConfigurationError, Rejection
from upstile.server.deployment._deployment import Deployment
from upstile.server.fastapi._routes import dependant_of, scopes_around, uses
from upstile.server.fastapi._starlette import head, route_of
from upstile.server.resource._authentication import Authentication

_NOBODY: tuple[object, Authentication | None] = (None, None)
_BY_HAND = SecurityScopes()
"""What a guard is given that FastAPI did not call: nobody said which scopes `Security` names around it."""
_NO_SCOPES = SecurityScopes()
_SCOPE_SETS = 256
"""Sets of scopes that one guard remembers; an application has a handful."""


class Guarded(SecurityBase):
    """A requirement as a FastAPI dependency; OpenAPI shows its routes as needing an access token.

    The scopes that `Security(guard, scopes=[…])` names, at the guard and around it, are asked besides its own. A
    dependency of the author's that calls the guard itself need not hand them on: then all that `Security` names on the
    route are asked. On a websocket the handshake is judged, before it is accepted.
    """

    model = HTTPBearer(bearerFormat="at+jwt")
    scheme_name = "StepUp"

    def __init__(self, deployment: Deployment, requirement: Requirement, *, once_in_handler: bool) -> None:
        self._deployment = deployment
        self.requirement = requirement
        self._once_in_handler = once_in_handler
        self._scoped: dict[tuple[str, ...], Guarded] = {}
        # NOTE: no quick way where a token may have to be used up for the call.
        once = once_in_handler or requirement.for_this_call
        self._quick = None if once else deployment.guard.admission(requirement, deployment.is_told)
        # Several guards of one route look at a call's token and proof once; another deployment looks for itself.
        self._verified = f"upstile.authentication {id(deployment)}"

    async def __call__(self, connection: HTTPConnection, security_scopes: SecurityScopes = _BY_HAND) -> Authentication:
        scope = connection.scope
        if security_scopes is _BY_HAND or security_scopes.scopes:
            named = scopes_around(scope) if security_scopes is _BY_HAND else security_scopes.scopes
            return await self.with_scopes(named)(connection, _NO_SCOPES)
        route, deployment = scope.get("route"), self._deployment
        before: tuple[object, Authentication | None] = scope.get(self._verified, _NOBODY)
        known, authentication = before
        if authentication is None or known is not route:
            authentication = None
            token = None if self._quick is None else self._quick.admit(scope["headers"], deployment.clock())
            if token is not None:
                asks_once = partial(_asks_once, deployment, route, scope.get("fastapi"))
                opened_by = head(connection) if scope["type"] == "websocket" else None
                authentication = Authentication(
                    deployment.guard, token, "bearer", asks_once, deployment.clock, opened_by=opened_by
                )
                scope[self._verified] = route, authentication
                return authentication
        return await self._judge(connection, authentication)

    async def _judge(self, connection: HTTPConnection, authentication: Authentication | None) -> Authentication:
        """The closer look, and the only one that refuses."""
        deployment, scope = self._deployment, connection.scope
        try:
            if authentication is None:
                neutral, route = head(connection), scope.get("route")
                asks_once = partial(_asks_once, deployment, route, scope.get("fastapi"))
                lasts = scope["type"] == "websocket"
                token = None if self._quick is None else self._quick.admit_bound(neutral, deployment.clock())
                if token is not None:
                    authentication = Authentication(
                        deployment.guard,
                        token,
                        "dpop",
                        asks_once,
                        deployment.clock,
                        opened_by=neutral if lasts else None,
                    )
                    scope[self._verified] = route, authentication
                    return authentication
                authentication = await deployment.authenticate(neutral, asks_once, lasts=lasts)
                scope[self._verified] = route, authentication
            else:
                await authentication.look_again_or_ask(self.requirement, begun=_is_open(connection))
            await deployment.require(authentication, self.requirement, once_in_handler=self._once_in_handler)
            if deployment.is_repeat(authentication.token):
                deployment.repeated(authentication.token, head(connection), route_of(scope))
        except Rejection as rejection:
            if Rejection not in connection.app.exception_handlers:
                raise ConfigurationError("call server.install(app) on the application of this route") from rejection
            raise
        return authentication

    def with_scopes(self, names: Iterable[str]) -> "Guarded":
        """The guard that asks for these scopes besides its own; the same for the same ones.

        Raises:
            ConfigurationError: no client may have them all, or one is no scope.
        """
        added = tuple(sorted({*names}.difference(self.requirement.scope)))
        if not added:
            return self
        known = self._scoped.get(added)
        if known is None:
            if len(self._scoped) >= _SCOPE_SETS:
                self._scoped.clear()
            known = self._scoped[added] = self._made_for(added)
        return known

    def _made_for(self, added: tuple[str, ...]) -> "Guarded":
        try:
            requirement = replace(self.requirement, scope=(*self.requirement.scope, *added))
        except (TypeError, ValueError) as error:
            raise ConfigurationError(str(error)) from error
        deployment = self._deployment
        checked = deployment.check(requirement, once_in_handler=self._once_in_handler)
        return Guarded(deployment, checked, once_in_handler=self._once_in_handler)

    def asks_once(self, deployment: Deployment) -> bool:
        """Whether a call of this deployment may need an authentication for this very call here."""
        return self._deployment is deployment and (self.requirement.for_this_call or self._once_in_handler)


def guards(dependant: Any) -> Iterator[Guarded]:
    """The guards of a route, each with the scopes that are named where it is used.

    Raises:
        ConfigurationError: a guard could never let anybody in, or is used in a way that hides it from FastAPI.
    """
    for call, scopes in uses(dependant):
        guard = guard_in(call)
        if guard is not None:
            yield guard.with_scopes(scopes)
        elif guard_in(getattr(call, "func", getattr(call, "__self__", None))) is not None:
            raise ConfigurationError("hand the guard itself to Depends or Security, not something made of it")


def guard_in(call: Any) -> Guarded | None:
    """The guard that a dependency is, or that it calls where it finds something to judge."""
    found = call if isinstance(call, Guarded) else getattr(call, "guarded", None)
    return found if isinstance(found, Guarded) else None


def _is_open(connection: HTTPConnection) -> bool:
    """Whether a websocket was accepted."""
    return isinstance(connection, WebSocket) and connection.application_state is WebSocketState.CONNECTED


def _asks_once(deployment: Deployment, route: object, fastapi_scope: Any) -> bool:
    """Whether any guard of a route asks for an authentication for this very call, now or in its handler."""
    dependant = dependant_of(route, fastapi_scope)
    inside = [] if dependant is None else [guard_in(call) for call, _ in uses(dependant)]
    return any(guard is not None and guard.asks_once(deployment) for guard in inside)
