"""What `install` does to an application, and to those below it: answers, the checks of its routes, OpenAPI."""

from collections.abc import Iterator
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from upstile.server._errors import (
    AuthorizationError,
    ConfigurationError,
    IssuerUnavailable,
    Rejection,
    StorageUnavailable,
)
from upstile.server.authorization._response import error_response
from upstile.server.deployment._deployment import Deployment
from upstile.server.fastapi._guard import Guarded, guards
from upstile.server.fastapi._mounts import note_place
from upstile.server.fastapi._no_store import NoStore
from upstile.server.fastapi._openapi import document_guards
from upstile.server.fastapi._optional import OptionalGuard
from upstile.server.fastapi._routes import declared_routes, mounted_in
from upstile.server.fastapi._starlette import EmbeddedRoutes, answer, head, route_of


def applications(app: Starlette) -> Iterator[Starlette]:
    """An application and all that are mounted below it."""
    yield app
    for mounted in mounted_in(app):
        if mounted.app is not None:
            yield from applications(mounted.app)


def note_places(app: Starlette, before: str = "") -> None:
    """Note below what the routes of an application, and of those below it, stand, so that events can say it.

    Args:
        app: an application.
        before: the template of what it is mounted below itself.
    """
    note_place(app, before)
    for template, below, _ in mounted_in(app):
        if below is None:
            note_place(app, before + template)
        else:
            note_places(below, before + template)


def handlers(deployment: Deployment) -> dict[type[Exception], Any]:
    """How an application answers each of our errors; refused calls are told of."""

    async def refused(connection: HTTPConnection, rejection: Rejection) -> Response | None:
        deployment.refused(rejection, head(connection), route_of(connection.scope))
        return await answer(connection, rejection.response)

    async def on_rejection(connection: HTTPConnection, error: Exception) -> Response | None:
        if not isinstance(error, Rejection):
            raise error
        return await refused(connection, error)

    async def on_unavailable(connection: HTTPConnection, error: Exception) -> Response | None:
        untold = error if isinstance(error, StorageUnavailable) else None
        return await refused(connection, deployment.guard.refusals.unavailable(untold))

    async def on_authorization_error(connection: HTTPConnection, error: Exception) -> Response | None:
        if not isinstance(error, AuthorizationError):
            raise error
        return await answer(connection, error_response(error))

    return {
        Rejection: on_rejection,
        AuthorizationError: on_authorization_error,
        StorageUnavailable: on_unavailable,
        IssuerUnavailable: on_unavailable,
    }


def answer_errors(app: Starlette, handlers: dict[type[Exception], Any]) -> None:
    """Say in an application, and in those below it, how our errors are answered; one that knows is left as it is."""
    for each in applications(app):
        for kind, handler in handlers.items():
            if kind not in each.exception_handlers:
                each.add_exception_handler(kind, handler)


def check_guards(app: Starlette) -> None:
    """Check every guard of an application, and of those below it, with the scopes that are named where it is used.

    Raises:
        ConfigurationError: one of them could never let anybody in; the message names the route.
    """
    for each in applications(app):
        for route in declared_routes(each):
            try:
                for _ in guards(route):
                    pass
            except ConfigurationError as error:
                raise ConfigurationError(f"{route}: {error}") from error


def check_overrides(app: Starlette, deployment: Deployment) -> None:
    """Check that no guard is replaced (`app.dependency_overrides`), as tests do, where people work.

    Raises:
        ConfigurationError: one is, and the configured address is not this machine's.
    """
    if deployment.is_loopback:
        return
    for each in applications(app):
        overrides: dict[Any, Any] = getattr(each, "dependency_overrides", {})
        for key in (key for key in overrides if isinstance(key, Guarded | OptionalGuard)):
            guard = key.guarded if isinstance(key, OptionalGuard) else key
            raise ConfigurationError(
                f"dependency_overrides replaces the guard for {guard.requirement}: that is for tests, whose deployment"
                " has url='http://localhost:8000' and allow_insecure_loopback=True"
            )


def check_first(app: Starlette, entry: EmbeddedRoutes) -> None:
    """Check that nothing before the embedded server's entry answers in its place.

    Raises:
        ConfigurationError: a route was put before it that does, or the entry is gone.
    """
    routes = app.router.routes
    if entry not in routes:
        raise ConfigurationError("what server.install(app) put into the router was taken out of it")
    for route in routes[: routes.index(entry)]:
        for method, path in entry.answered:
            if route.matches(_request(method, path))[0] is Match.FULL:
                what = f"{method} {path}"
                raise ConfigurationError(f"{route!r} stands first and hides {what}: add it after server.install(app)")


def look_at(app: Starlette, entry: EmbeddedRoutes | None, deployment: Deployment) -> None:
    """At `install`, and again when the application starts: what was added or mounted in between is known then.

    Args:
        app: the application.
        entry: what stands first in its router, if anything of ours does.
        deployment: the deployment.

    Raises:
        ConfigurationError: a guard could never let anybody in, or is replaced, or something stands before our entry.
    """
    note_places(app)
    answer_errors(app, handlers(deployment))
    check_guards(app)
    check_overrides(app, deployment)
    if entry is not None:
        check_first(app, entry)
    for each in applications(app):
        document_guards(each)


def keep_from_caches(app: Starlette) -> None:
    """Let the middleware that keeps tokens from caches stand around all others, those added after `install` too.

    For when the application starts: no middleware is added from then on.
    """
    stack, outermost = app.middleware_stack or app.build_middleware_stack(), app.user_middleware[0]
    if cast(object, outermost.cls) is not NoStore and not isinstance(stack, NoStore):
        app.middleware_stack = NoStore(stack)


def _request(method: str, path: str) -> Scope:
    return {"type": "http", "method": method, "path": path, "root_path": "", "headers": [], "query_string": b""}
