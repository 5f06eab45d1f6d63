"""What the routes of an application declare: the one place that knows how FastAPI and Starlette keep it.

That `Security(guard, scopes=…)` counts does not rest on this module: FastAPI hands a guard its `SecurityScopes`, own
and inherited, in every version from 0.115. Read here is what the checks at start-up, OpenAPI and a guard that is called
by hand need. It differs by version: up to 0.122 a dependant keeps `security_scopes`, from 0.123 `own_oauth_scopes` and
`parent_oauth_scopes`; from about 0.140 a router is included as one entry, whose routes have an effective context.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from inspect import isasyncgenfunction, iscoroutinefunction, isfunction, isgeneratorfunction, unwrap
from types import MappingProxyType
from typing import Any, NamedTuple

import fastapi.routing
from fastapi.dependencies.utils import get_dependant
from starlette.applications import Starlette
from starlette.routing import Host, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from upstile.server._errors import ConfigurationError

_contexts: Callable[[Sequence[Any]], Iterator[Any]] | None = getattr(fastapi.routing, "iter_route_contexts", None)
_making: ContextVar[Any] | None = getattr(fastapi.routing, "_effective_route_context_var", None)
"""The context of an included route while FastAPI asks the route for its handler."""


class Declared(NamedTuple):
    """A route of FastAPI's.

    Attributes:
        path: its template.
        methods: in upper case; none for a websocket.
        dependant: what FastAPI resolves for it.
        endpoint: its handler.
    """

    path: str
    methods: tuple[str, ...]
    dependant: Any
    endpoint: Any

    def __str__(self) -> str:
        return f"{','.join(self.methods) or 'websocket'} {self.path}"


class Use(NamedTuple):
    """A dependency where it is used.

    Attributes:
        call: what FastAPI calls.
        scopes: those that `Security` names at it and around it.
        name: of the parameter that gets what it returns, if there is one.
    """

    call: Any
    scopes: tuple[str, ...]
    name: str | None


def declared_routes(app: Starlette) -> Iterator[Declared]:
    """The routes of an application that FastAPI resolves dependencies for, those of included routers among them."""
    for route in _routes(app.router):
        dependant = getattr(route, "dependant", None)
        if dependant is not None:
            path = getattr(route, "path_format", None) or getattr(route, "path", None) or "/"
            methods = tuple(sorted(getattr(route, "methods", None) or ()))
            yield Declared(path, methods, dependant, getattr(route, "endpoint", None))


class Mounted(NamedTuple):
    """What is mounted in an application.

    Attributes:
        template: below what.
        app: an application, or `None` for a router, whose routes are those of the application around it.
        passed: what stands around it there, such as middleware.
    """

    template: str
    app: Starlette | None
    passed: tuple[Any, ...] = ()


def mounted_in(app: Starlette) -> Iterator[Mounted]:
    """What is mounted in an application, also inside of middleware, routers and hosts; not what is below those."""
    waiting: list[tuple[str, tuple[Any, ...], Any]] = [("", (), route) for route in _routes(app.router)]
    while waiting:
        template, passed, route = waiting.pop()
        below = getattr(route, "app", None)
        while below is not None and not isinstance(below, Starlette) and not hasattr(below, "routes"):
            passed, below = (*passed, below), getattr(below, "app", None)
        if below is None:
            continue
        template += getattr(route, "path", None) or ""  # a host has none
        if isinstance(below, Starlette):
            yield Mounted(template, below, passed)
        else:
            yield Mounted(template, None)
            waiting.extend((template, passed, inner) for inner in _routes(below))


class Plain(NamedTuple):
    """What an application answers without FastAPI's dependencies: a guard can only stand around it.

    Attributes:
        path: its template.
        methods: in upper case; `*` for any, none for a websocket.
        passed: what stands around it where it is mounted.
    """

    path: str
    methods: tuple[str, ...]
    passed: tuple[Any, ...] = ()


def plain_routes(app: Starlette) -> Iterator[Plain]:
    """Routes of Starlette's own, and mounts of what has no routes; no files, no pages about the application itself."""
    waiting: list[tuple[str, tuple[Any, ...], Any]] = [("", (), route) for route in _routes(app.router)]
    while waiting:
        template, passed, route = waiting.pop()
        path = template + (getattr(route, "path", None) or "")
        kind = getattr(route, "original_route", route)
        if getattr(route, "dependant", None) is not None:
            continue
        if isinstance(kind, Route):
            if kind.include_in_schema:
                yield Plain(path, tuple(sorted(route.methods or ("*",))), passed)
        elif isinstance(kind, WebSocketRoute):
            yield Plain(path, (), passed)
        elif isinstance(kind, Mount | Host):
            below: Any = route.app
            while below is not None and not hasattr(below, "routes") and not isinstance(below, StaticFiles):
                passed, below = (*passed, below), getattr(below, "app", None)
            if below is None:
                yield Plain(path + "/…", ("*",), passed)
            elif not isinstance(below, Starlette | StaticFiles):
                waiting.extend((path, passed, inner) for inner in _routes(below))


def uses(
    dependant: Any, overrides: Mapping[Any, Any] = MappingProxyType({}), around: tuple[str, ...] = ()
) -> Iterator[Use]:
    """All dependencies of a route, however deep.

    Args:
        dependant: what the route declares.
        overrides: what is called in place of what, as FastAPI's `dependency_overrides`.
        around: scopes that `Security` names around an override, which its own dependant does not know.
    """
    for dependency in dependant.dependencies:
        call, below, named = dependency.call, dependency, (*around, *_scopes(dependency))
        inherited = around
        if call in overrides:
            call, inherited = overrides[call], named
            below = get_dependant(path=dependency.path or "/", call=call)
        yield Use(call, named, dependency.name)
        yield from uses(below, overrides, inherited)


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


def in_the_making(route: Any) -> Any:
    """What holds the dependant of the handler that a route is asked for: an included route's context, or the route."""
    context = None if _making is None else _making.get()
    return context if context is not None and context.original_route is route else route


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


def made_for(holder: Any, dependant: Any, make: Callable[[], Any]) -> Any:
    """The handler that FastAPI makes where a route declares something else than it does.

    Args:
        holder: what `in_the_making` found.
        dependant: what the handler is to resolve.
        make: asks FastAPI for the handler.

    Raises:
        ConfigurationError: the handler resolves something else all the same.
    """
    kept, holder.dependant = holder.dependant, dependant
    try:
        handler = make()
    finally:
        holder.dependant = kept
    if not _closes_over(handler, dependant):
        raise ConfigurationError(
            "this version of FastAPI makes handlers in another way than upstile knows: use another one"
        )
    return handler


def is_generator(call: Any) -> bool:
    """Whether a handler is a generator, whose items are the response."""
    return any(isgeneratorfunction(each) or isasyncgenfunction(each) for each in _meant(call))


def is_coroutine(call: Any) -> bool:
    """Whether a handler is to be awaited; others run in a thread."""
    return any(iscoroutinefunction(each) for each in _meant(call))


def _meant(call: Any) -> tuple[Any, ...]:
    inner: Any = unwrap(getattr(call, "func", call))  # a partial's
    return call, inner, getattr(call, "__call__", None), getattr(inner, "__call__", None)  # noqa: B004


def _closes_over(function: Any, thing: object, depth: int = 5) -> bool:
    """Whether a function has a thing in its closure, or in that of a function there."""
    for cell in getattr(function, "__closure__", None) or ():
        found = cell.cell_contents
        if found is thing or (depth and isfunction(found) and _closes_over(found, thing, depth - 1)):
            return True
    return False
