"""A requirement as a FastAPI dependency."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from fastapi import Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from upstile.protocol import Requirement
from upstile.server._deployment import Deployment
from upstile.server._errors import ConfigurationError, Rejection
from upstile.server._starlette import head, route_of
from upstile.server.resource._authentication import Authentication

_NOBODY: tuple[object, Authentication | None] = (None, None)


class Guarded(SecurityBase):
    """A requirement as a FastAPI dependency; OpenAPI shows its routes as needing an access token."""

    model = HTTPBearer(bearerFormat="at+jwt")
    scheme_name = "StepUp"

    def __init__(self, deployment: Deployment, requirement: Requirement, *, once_in_handler: bool) -> None:
        self._deployment = deployment
        self.requirement = requirement
        self._once_in_handler = once_in_handler
        # NOTE: no quick way where a token may have to be used up for the call.
        once = once_in_handler or requirement.for_this_call
        self._quick = None if once else deployment.guard.admission(requirement)
        # Several guards of one route look at a call's token and proof once; another deployment looks for itself.
        self._verified = f"upstile.authentication {id(deployment)}"

    async def __call__(self, request: Request) -> Authentication:
        scope = request.scope
        route, deployment = scope.get("route"), self._deployment
        before: tuple[object, Authentication | None] = scope.get(self._verified, _NOBODY)
        known, authentication = before
        if authentication is None or known is not route:
            authentication = None
            token = None if self._quick is None else self._quick.admit(scope["headers"], deployment.clock())
            if token is not None:
                asks_once = partial(_asks_once, deployment, route)
                authentication = Authentication(deployment.guard, token, "bearer", asks_once, deployment.clock)
                scope[self._verified] = route, authentication
                return authentication
        return await self._judge(request, authentication)

    async def _judge(self, request: Request, authentication: Authentication | None) -> Authentication:
        """The closer look, and the only one that refuses."""
        deployment, scope = self._deployment, request.scope
        try:
            if authentication is None:
                neutral, route = head(request), scope.get("route")
                asks_once = partial(_asks_once, deployment, route)
                token = None if self._quick is None else self._quick.admit_bound(neutral, deployment.clock())
                if token is not None:
                    authentication = Authentication(deployment.guard, token, "dpop", asks_once, deployment.clock)
                    scope[self._verified] = route, authentication
                    return authentication
                authentication = await deployment.authenticate(neutral, asks_once)
                scope[self._verified] = route, authentication
            await deployment.require(authentication, self.requirement, once_in_handler=self._once_in_handler)
            if deployment.is_repeat(authentication.token):
                deployment.repeated(authentication.token, head(request), route_of(scope))
        except Rejection as rejection:
            if Rejection not in request.app.exception_handlers:
                raise ConfigurationError("call server.install(app) on the application of this route") from rejection
            raise
        return authentication

    def asks_once(self, deployment: Deployment) -> bool:
        """Whether a call of this deployment may need an authentication for this very call here."""
        return self._deployment is deployment and (self.requirement.for_this_call or self._once_in_handler)


def _asks_once(deployment: Deployment, route: object) -> bool:
    """Whether any guard of a route asks for an authentication for this very call, now or in its handler."""
    return any(guard.asks_once(deployment) for guard in _guards(getattr(route, "dependant", None)))


def _guards(dependant: Any) -> Iterator[Guarded]:
    for dependency in getattr(dependant, "dependencies", ()):
        if isinstance(dependency.call, Guarded):
            yield dependency.call
        yield from _guards(dependency)
