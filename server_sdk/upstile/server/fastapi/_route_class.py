"""Routes whose guards judge the head of a call before a byte of its body is read.

FastAPI reads the body of a call before it resolves dependencies. On a route of this class the guards among the
dependencies judge first, and what serves once is used up last, directly before the handler: whatever FastAPI refuses in
between costs nobody a confirmation.

The handler that FastAPI makes is made twice: with all dependencies, for calls under `dependency_overrides`, and without
the guards that the handler itself declares, since they have judged already.
"""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, NamedTuple

from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from upstile.server.fastapi._door import authentication_of
from upstile.server.fastapi._guard import JUDGED, NO_SCOPES, Guarded, guards
from upstile.server.fastapi._routes import Declared, in_the_making, is_coroutine, is_generator, made_for

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_TO_USE_UP = "upstile.to_use_up"
"""Where a scope keeps the guards that may have a token to use up before the handler runs."""
_CONNECTION = "upstile_connection"
_NO_OVERRIDES: Mapping[Any, Any] = {}


class GuardedRoute(APIRoute):
    """A route of `APIRouter(route_class=server.route_class)`; without a guard it does what any other does."""

    def get_route_handler(self) -> Handler:
        """The handler that FastAPI makes, and the guards before it.

        Raises:
            ConfigurationError: FastAPI made it of something else than it was given.
        """
        holder = in_the_making(self)
        dependant = holder.dependant
        declared = Declared(self.path, (), dependant, self.endpoint)
        provider = getattr(holder, "dependency_overrides_provider", None)
        make = super().get_route_handler
        whole = made_for(holder, _last(dependant), make)
        rest = made_for(holder, _last(dependant, but=_is_guard), make)
        return _guarded(declared, provider, whole, rest)


class _Plan(NamedTuple):
    """What a call has to pass.

    Attributes:
        guards: all that judge its head.
        last: those of them that may have a token to use up.
    """

    guards: tuple[Guarded, ...]
    last: tuple[Guarded, ...]


def _guarded(declared: Declared, provider: Any, whole: Handler, rest: Handler) -> Handler:
    usual: _Plan | None = None
    at_once = is_generator(declared.dependant.call)  # nothing stands directly before a generator's first step

    async def handler(request: Request) -> Response:
        nonlocal usual
        scope, overrides = request.scope, getattr(provider, "dependency_overrides", _NO_OVERRIDES)
        if overrides:
            plan, handle = _planned(declared, overrides), whole
        else:
            plan, handle = usual or _planned(declared, overrides), rest
            usual = plan
        if plan.last:
            for guard in plan.guards:
                await guard.look(request)
            scope[_TO_USE_UP] = plan.last
            if at_once:
                await _use_up(request)
        else:
            for guard in plan.guards:
                if not guard.lets_in_at_once(scope):
                    await guard(request, NO_SCOPES)
        scope[JUDGED] = scope.get("route"), plan.guards
        return await handle(request)

    return handler


def _planned(declared: Declared, overrides: Mapping[Any, Any]) -> _Plan:
    found = tuple(dict.fromkeys(guards(declared, overrides, optional=False)))
    return _Plan(found, tuple(guard for guard in found if guard.may_use_up))


def _last(dependant: Any, *, but: Callable[[Any], bool] = lambda _: False) -> Any:
    """A dependant whose handler first has used up what serves once.

    Args:
        dependant: what the route declares.
        but: which of its dependencies FastAPI need not resolve; the handler gets the authentication for them.
    """
    endpoint = dependant.call
    if is_generator(endpoint):
        return dependant
    name = dependant.request_param_name or dependant.http_connection_param_name
    waits, given = (
        is_coroutine(endpoint),
        [(each.name, each.call) for each in dependant.dependencies if but(each) and each.name is not None],
    )

    @wraps(endpoint)
    async def call(**values: Any) -> Any:
        connection = values[name] if name else values.pop(_CONNECTION)
        if _TO_USE_UP in connection.scope:
            await _use_up(connection)
        for parameter, guard in given:
            values[parameter] = connection.scope[guard.verified][1]
        return await endpoint(**values) if waits else await run_in_threadpool(endpoint, **values)

    return replace(
        dependant,
        call=call,
        dependencies=[each for each in dependant.dependencies if not but(each)],
        http_connection_param_name=dependant.http_connection_param_name or (None if name else _CONNECTION),
    )


async def _use_up(request: Any) -> None:
    """Judge again by those guards that use up: the body may have taken its time."""
    scope = request.scope
    for guard in scope.pop(_TO_USE_UP):
        await guard.judge(request, authentication_of(guard.deployment, scope))


def _is_guard(dependency: Any) -> bool:
    return isinstance(dependency.call, Guarded)
