"""What the routes of an application declare: the one place that knows how FastAPI and Starlette keep it.

That `Security(guard, scopes=…)` counts does not rest on this module: FastAPI hands a guard its `SecurityScopes`, own
and inherited, in every version from 0.115. Read here is what the checks at start-up, OpenAPI and a guard that is called
by hand need. It differs by version: up to 0.122 a dependant keeps `security_scopes`, from 0.123 `own_oauth_scopes` and
`parent_oauth_scopes`; from about 0.140 a router is included as one entry, whose routes have an effective context.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import fastapi.routing
from fastapi.dependencies.utils import get_dependant
from starlette.applications import Starlette

from upstile.server._errors import ConfigurationError

_contexts: Callable[[Sequence[Any]], Iterator[Any]] | None = getattr(fastapi.routing, "iter_route_contexts", None)


class Declared(NamedTuple):
    """A route of FastAPI's.

    Attributes:
        path: its template.
        methods: in upper case; none for a websocket.
        dependant: what FastAPI resolves for it.
    """

    path: str
    methods: tuple[str, ...]
    dependant: Any

    def __str__(self) -> str:
        return f"{','.join(self.methods) or 'websocket'} {self.path}"


class Use(NamedTuple):
    """A dependency where it is used.

    Attributes:
        call: what FastAPI calls.
        scopes: those that `Security` names at it and around it.
    """

    call: Any
    scopes: tuple[str, ...]


def declared_routes(app: Starlette) -> Iterator[Declared]:
    """The routes of an application that FastAPI resolves dependencies for, those of included routers among them."""
    for route in _routes(app.router):
        dependant = getattr(route, "dependant", None)
        if dependant is not None:
            path = getattr(route, "path_format", None) or getattr(route, "path", None) or "/"
            yield Declared(path, tuple(sorted(getattr(route, "methods", None) or ())), dependant)


class Mounted(NamedTuple):
    """What is mounted in an application.

    Attributes:
        template: below what.
        app: an application, or `None` for a router, whose routes are those of the application around it.
    """

    template: str
    app: Starlette | None


def mounted_in(app: Starlette) -> Iterator[Mounted]:
    """What is mounted in an application, also inside of middleware, routers and hosts; not what is below those."""
    waiting = [("", route) for route in _routes(app.router)]
    while waiting:
        template, route = waiting.pop()
        below = getattr(route, "app", None)
        while below is not None and not isinstance(below, Starlette) and not hasattr(below, "routes"):
            below = getattr(below, "app", None)
        if below is None:
            continue
        template += getattr(route, "path", None) or ""  # a host has none
        if isinstance(below, Starlette):
            yield Mounted(template, below)
        else:
            yield Mounted(template, None)
            waiting.extend((template, inner) for inner in _routes(below))


def uses(dependant: Any, overrides: Mapping[Any, Any] = MappingProxyType({})) -> Iterator[Use]:
    """All dependencies of a route, however deep.

    Args:
        dependant: what the route declares.
        overrides: what is called in place of what, as FastAPI's `dependency_overrides`.
    """
    for dependency in dependant.dependencies:
        call, below = dependency.call, dependency
        if call in overrides:
            call = overrides[call]
            below = get_dependant(path=dependency.path or "/", call=call)
        yield Use(call, _scopes(dependency))
        yield from uses(below, overrides)


def dependant_of(route: Any, fastapi_scope: Mapping[str, Any] | None) -> Any:
    """What FastAPI resolves for the call under way, or `None` where it is not for a route of FastAPI's.

    Args:
        route: `scope["route"]`.
        fastapi_scope: `scope["fastapi"]`.
    """
    return getattr(_resolved(route, fastapi_scope), "dependant", None)


def scopes_around(scope: Mapping[str, Any]) -> tuple[str, ...]:
    """All scopes that `Security` names on the route of a call, and in what overrides its dependencies.

    Raises:
        ConfigurationError: FastAPI resolves dependencies here, and it cannot be told for which route.
    """
    resolved = _resolved(scope.get("route"), scope.get("fastapi"))
    dependant = getattr(resolved, "dependant", None)
    if dependant is None:
        if "fastapi_inner_astack" in scope:
            raise ConfigurationError("say which scopes count where a guard is called here: guard(request, scopes)")
        return ()
    provider = getattr(resolved, "dependency_overrides_provider", scope.get("app"))
    overrides = getattr(provider, "dependency_overrides", {})
    return tuple(dict.fromkeys(name for use in uses(dependant, overrides) for name in use.scopes))


def _resolved(route: Any, fastapi_scope: Mapping[str, Any] | None) -> Any:
    """What FastAPI goes by for the call under way: the context of an included route, or the route."""
    context = (fastapi_scope or {}).get("effective_route_context")
    return context if context is not None and (route is None or context.original_route is route) else route


def _routes(router: Any) -> Iterator[Any]:
    yield from router.routes if _contexts is None else _contexts(router.routes)
    yield from getattr(router, "_low_priority_routes", ())  # `app.frontend(...)`
    for route in router.routes:
        late = getattr(route, "effective_low_priority_routes", None)
        if late is not None:
            yield from late()


def _scopes(dependant: Any) -> tuple[str, ...]:
    if hasattr(dependant, "own_oauth_scopes"):
        return (*(dependant.parent_oauth_scopes or ()), *(dependant.own_oauth_scopes or ()))
    if hasattr(dependant, "security_scopes"):
        return tuple(dependant.security_scopes or ())
    raise ConfigurationError("this version of FastAPI keeps scopes where upstile does not find them: use another one")
