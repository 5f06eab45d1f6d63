"""A requirement as a FastAPI dependency."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar, cast

from fastapi.openapi.models import HTTPBearer
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketState

from upstile.protocol import Requirement
from upstile.server._errors import ConfigurationError, Rejection
from upstile.server.deployment._deployment import Deployment
from upstile.server.fastapi._door import Door, key_of
from upstile.server.fastapi._routes import Declared, dependant_of, scopes_around, uses
from upstile.server.fastapi._starlette import head, route_of
from upstile.server.resource._authentication import Authentication

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
JUDGED = "upstile.judged"
"""Where a scope keeps which guards have judged the head of its call, and on which route."""
_NOBODY: tuple[object, Authentication | None] = (None, None)
_NOTHING: tuple[object, Collection[object]] = (None, ())
_BY_HAND = SecurityScopes()
"""What a guard is given that FastAPI did not call: nobody said which scopes `Security` names around it."""
NO_SCOPES = SecurityScopes()
"""What it is given when the scopes that count are its own, and it is to judge."""
_UNLIFTED = (_BY_HAND, NO_SCOPES)
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

    def __init__(
        self,
        deployment: Deployment,
        requirement: Requirement,
        *,
        once_in_handler: bool,
        exempted: set[Callable[..., Any]] | None = None,
    ) -> None:
        self.deployment = deployment
        self.requirement = requirement
        self.once_in_handler = once_in_handler
        self.may_use_up = once_in_handler or requirement.for_this_call
        """Whether a token may have to be used up for a call that this lets in."""
        self._exempted = set[Callable[..., Any]]() if exempted is None else exempted
        self._scoped: dict[tuple[str, ...], Guarded] = {}
        # NOTE: no quick way where a token may have to be used up for the call.
        self.quick = None if self.may_use_up else deployment.guard.admission(requirement, deployment.is_told)
        # Several guards of one route look at a call's token and proof once; another deployment looks for itself.
        self.verified = key_of(deployment)

    async def __call__(self, connection: HTTPConnection, security_scopes: SecurityScopes = _BY_HAND) -> Authentication:
        scope = connection.scope
        if self._exempted and security_scopes not in _UNLIFTED and scope.get("endpoint") in self._exempted:
            return cast(Authentication, None)  # which no handler is given: `guards` sees to that
        if security_scopes is _BY_HAND or security_scopes.scopes:
            named = scopes_around(scope) if security_scopes is _BY_HAND else security_scopes.scopes
            return await self.with_scopes(named)(connection, NO_SCOPES)
        route = scope.get("route")
        authentication = self.known(scope)
        if authentication is not None:
            on, judged = scope.get(JUDGED, _NOTHING)
            if on is route and self in judged:
                return authentication
        elif self.quick is not None:
            token = self.quick.admit(scope["headers"], self.deployment.clock())
            if token is not None:
                authentication = self.authentication(scope, token, "bearer")
                scope[self.verified] = route, authentication
                return authentication
        return await self.judge(connection, authentication)

    def lets_in_at_once(self, scope: Any) -> bool:
        """Whether a call may go on that nobody has looked at yet; who it is stands in the scope then."""
        if self.quick is None or self.verified in scope:
            return False
        token = self.quick.admit(scope["headers"], self.deployment.clock())
        if token is None:
            return False
        scope[self.verified] = scope.get("route"), self.authentication(scope, token, "bearer")
        return True

    async def judge(self, connection: HTTPConnection, authentication: Authentication | None) -> Authentication:
        """The closer look, and the only one that refuses. It uses up what serves once.

        Args:
            connection: the call.
            authentication: whose it is, where that is known.

        Raises:
            Rejection: the call may not go on.
            ConfigurationError: nobody would answer that.
        """
        try:
            return await self.let_in(connection, authentication)
        except Rejection as rejection:
            _check_answerable(connection, rejection)
            raise

    async def let_in(self, connection: HTTPConnection, authentication: Authentication | None) -> Authentication:
        """The same, for who answers a `Rejection`."""
        deployment, scope = self.deployment, connection.scope
        if authentication is None:
            token = None
            if self.quick is not None:
                token = self.quick.admit_bound(head(connection), deployment.clock())
            if token is not None:
                authentication = self.authentication(scope, token, "dpop")
                scope[self.verified] = scope.get("route"), authentication
                return authentication
            authentication = await self._identify(connection)
        else:
            await authentication.look_again_or_ask(self.requirement, begun=_is_open(connection))
        await deployment.require(authentication, self.requirement, once_in_handler=self.once_in_handler)
        if deployment.is_repeat(authentication.token):
            deployment.repeated(authentication.token, head(connection), route_of(scope))
        return authentication

    async def look(self, connection: HTTPConnection) -> None:
        """Judge the head of a call: a proof is used up, a token is not. That is for `judge`, when the body is there.

        Raises:
            Rejection: the call may not go on.
        """
        deployment = self.deployment
        try:
            authentication = self.known(connection.scope) or await self._identify(connection)
            guard, call, now = deployment.guard, authentication.call, deployment.clock()
            guard.consumes(call, self.requirement, now, once_in_handler=self.once_in_handler)
            await guard.use_up_proof(call, self.requirement, now)
        except Rejection as rejection:
            _check_answerable(connection, rejection)
            raise

    def known(self, scope: Any) -> Authentication | None:
        """Whose call it is, where a guard of the route, or a door around the application, found that out."""
        before: tuple[object, Authentication | None] = scope.get(self.verified, _NOBODY)
        found, authentication = before
        if authentication is None or found is scope.get("route"):
            return authentication
        if not isinstance(found, Door) or not found.take(scope):
            return None
        scope[self.verified] = scope.get("route"), authentication
        return authentication

    async def _identify(self, connection: HTTPConnection) -> Authentication:
        """Verify token and proof. Raises `Rejection`."""
        scope = connection.scope
        lasts = scope["type"] == "websocket"
        authentication = await self.deployment.authenticate(head(connection), self._asks_once(scope), lasts=lasts)
        scope[self.verified] = scope.get("route"), authentication
        return authentication

    def authentication(self, scope: Any, token: Any, scheme: str) -> Authentication:
        """Whose call it is, where the quick way let it in."""
        deployment = self.deployment
        opened_by = head(HTTPConnection(scope)) if scope["type"] == "websocket" else None
        return Authentication(
            deployment.guard, token, scheme, self._asks_once(scope), deployment.clock, opened_by=opened_by
        )

    def exempt(self, endpoint: Endpoint) -> Endpoint:
        """Let a handler do without this guard, which stands at its application or router: a decorator of the handler.

        ```python
        app = FastAPI(dependencies=[Depends(SIGNED_IN)])

        @app.post("/login")
        @SIGNED_IN.exempt
        async def login(...): ...
        ```

        It counts for this very function and this very guard. Other guards of the route judge as ever.
        """
        self._exempted.add(endpoint)
        return endpoint

    def exempts(self, endpoint: Any) -> bool:
        """Whether a handler does without this guard."""
        return bool(self._exempted) and endpoint in self._exempted

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

    def asks_once(self, deployment: Deployment) -> bool:
        """Whether a call of this deployment may need an authentication for this very call here."""
        return self.deployment is deployment and self.may_use_up

    def _made_for(self, added: tuple[str, ...]) -> "Guarded":
        try:
            requirement = replace(self.requirement, scope=(*self.requirement.scope, *added))
        except (TypeError, ValueError) as error:
            raise ConfigurationError(str(error)) from error
        deployment, once = self.deployment, self.once_in_handler
        checked = deployment.check(requirement, once_in_handler=once)
        return Guarded(deployment, checked, once_in_handler=once, exempted=self._exempted)

    def _asks_once(self, scope: Any) -> Callable[[], bool]:
        return partial(_asks_once, self.deployment, scope.get("route"), scope.get("fastapi"))


def guards(
    route: Declared, overrides: Mapping[Any, Any] = MappingProxyType({}), *, optional: bool = True
) -> Iterator[Guarded]:
    """The guards of a route, each with the scopes that are named where it is used.

    Args:
        route: the route.
        overrides: what is called in place of what.
        optional: those among them that judge only where they find something to judge.

    Raises:
        ConfigurationError: a guard could never let anybody in, is used in a way that hides it from FastAPI, or is
            exempted for a handler that wants what it returns.
    """
    for call, scopes, name in uses(route.dependant, overrides):
        guard = guard_in(call)
        if guard is not None:
            guard = guard.with_scopes(scopes)
            if not (optional or isinstance(call, Guarded)):
                continue
            if not guard.exempts(route.endpoint):
                yield guard
            elif name is not None:
                raise ConfigurationError(
                    f"{name} is what a guard returns that does not judge here: take it or exempt it"
                )
        elif guard_in(getattr(call, "func", getattr(call, "__self__", None))) is not None:
            raise ConfigurationError("hand the guard itself to Depends or Security, not something made of it")


def guard_in(call: Any) -> Guarded | None:
    """The guard that a dependency is, or that it calls where it finds something to judge."""
    found = call if isinstance(call, Guarded) else getattr(call, "guarded", None)
    return found if isinstance(found, Guarded) else None


def _check_answerable(connection: HTTPConnection, rejection: Rejection) -> None:
    if Rejection not in connection.app.exception_handlers:
        raise ConfigurationError("call server.install(app) on the application of this route") from rejection


def _is_open(connection: HTTPConnection) -> bool:
    """Whether a websocket was accepted."""
    return isinstance(connection, WebSocket) and connection.application_state is WebSocketState.CONNECTED


def _asks_once(deployment: Deployment, route: object, fastapi_scope: Any) -> bool:
    """Whether any guard of a route asks for an authentication for this very call, now or in its handler."""
    dependant = dependant_of(route, fastapi_scope)
    endpoint = getattr(route, "endpoint", None)
    inside = [] if dependant is None else [guard_in(call) for call, _, _ in uses(dependant)]
    return any(guard is not None and guard.asks_once(deployment) and not guard.exempts(endpoint) for guard in inside)
