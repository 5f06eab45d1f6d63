"""A door: one guard around a whole ASGI application, whatever is below it.

It knows no routes, so it has one requirement, and what may pass without it is named by exact methods and paths.
Whatever it does not recognise, it guards.
"""

import re
from collections.abc import Iterable
from typing import Any, cast
from urllib.parse import unquote
from weakref import WeakKeyDictionary, WeakSet

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from upstile.server._errors import ConfigurationError, IssuerUnavailable, Rejection, StorageUnavailable
from upstile.server._step_up import StepUpVerbs
from upstile.server.fastapi._door import Door
from upstile.server.fastapi._guard import Guarded
from upstile.server.fastapi._starlette import EmbeddedRoutes, answer, head
from upstile.server.resource._authentication import Authentication

_EXEMPTION = re.compile(r"(?P<method>[A-Z]+) (?P<path>/[!-~]*)")
_NOT_EXACT = re.compile(r"[?#{}*\\]|//|/\.{1,2}(/|$)|%2e", re.IGNORECASE)
_WEBSOCKET = "WEBSOCKET"
_around: "WeakKeyDictionary[Starlette, WeakSet[Protected]]" = WeakKeyDictionary()


class Protected:
    """An ASGI application behind a guard.

    Args:
        app: the application.
        guard: what every call has to meet.
        exempt: the calls that need not, as `"GET /health"`; `"WEBSOCKET /prices"` for a websocket.

    Raises:
        ConfigurationError: an exemption is not a method and an exact path.
    """

    def __init__(self, app: ASGIApp, guard: Guarded, exempt: Iterable[str] = ()) -> None:
        self.app = app
        self.guard = guard
        self.exempt = frozenset(exemptions(exempt))
        self._exempt_paths = frozenset(path.encode() for _, path in self.exempt)
        self._own: EmbeddedRoutes | None = None
        self._below = _application_below(app)
        if isinstance(self._below, Starlette):
            _around.setdefault(self._below, WeakSet()).add(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge, then hand on."""
        kind, guard = scope["type"], self.guard
        if kind in ("http", "websocket"):
            token, root_path = None, getattr(self._below, "root_path", "")
            if root_path:  # what FastAPI says as its first step, and what says which URL a proof has to name
                scope["root_path"] = root_path
            if guard.quick is not None and scope.get("raw_path") not in self._exempt_paths:
                token = guard.quick.admit(scope["headers"], guard.deployment.clock())
            if token is not None:
                self._let_in(scope, guard.authentication(scope, token, "bearer"))
            elif not self._is_exempt(scope) and await self._refused(scope, receive, send):
                return
        elif kind != "lifespan":
            raise ConfigurationError(f"a guard cannot judge what the server calls {kind!r}")
        await self.app(scope, receive, send)

    async def _refused(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Judge with care: whether a call was answered, because it may not go on."""
        refused = await self._refusal(scope)
        if refused is None:
            return False
        connection = WebSocket(scope, receive, send) if scope["type"] == "websocket" else Request(scope)
        response = await answer(connection, refused.response)
        if response is not None:
            await response(scope, receive, send)
        return True

    async def _refusal(self, scope: Scope) -> Rejection | None:
        """Why a call may not go on."""
        connection, deployment = HTTPConnection(scope), self.guard.deployment
        try:
            try:
                self._let_in(scope, await self.guard.let_in(connection, self.guard.known(scope)))
            except (StorageUnavailable, IssuerUnavailable) as error:
                untold = error if isinstance(error, StorageUnavailable) else None
                raise deployment.guard.refusals.unavailable(untold) from error
        except Rejection as rejection:
            deployment.refused(rejection, head(connection), None)
            return rejection
        return None

    def _let_in(self, scope: Scope, authentication: Authentication) -> None:
        scope[self.guard.verified] = Door(scope), authentication

    def _is_exempt(self, scope: Scope) -> bool:
        """Whether a call needs no guard: it says so itself, byte for byte, or the embedded server answers it."""
        raw = scope.get("raw_path")
        if not raw:  # what came over the wire is not known
            return False
        try:
            path = raw.decode("ascii")
        except UnicodeDecodeError:
            return False
        if unquote(path) != scope["path"]:  # something before has changed the one or the other
            return False
        if scope["type"] == "websocket":
            return (_WEBSOCKET, path) in self.exempt
        method = scope["method"]
        if method == _WEBSOCKET:  # anybody may call a method so (RFC 9110 §9.1), and it opens no websocket
            return False
        return (method, path) in self.exempt or ("%" not in path and self._is_own(scope))

    def _is_own(self, scope: Scope) -> bool:
        """Whether the embedded server answers a call below: `install` put it first there, and it judges for itself."""
        if self._own is None:
            self._own = _entry_in(self._below, self.guard)
        return self._own is not None and self._own.answers(scope)


def exemptions(written: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Methods and paths as an author writes them: `"GET /health"`.

    Raises:
        ConfigurationError: one is something else.
    """
    if isinstance(written, str):
        raise ConfigurationError(f"exempt={written!r}: write a list, [{written!r}]")
    for each in written:
        found = _EXEMPTION.fullmatch(each)
        if found is None or _NOT_EXACT.search(found["path"]):
            raise ConfigurationError(
                f"exempt={each!r}: write a method and the exact path as it comes over the wire, such as 'GET /health'"
            )
        yield found["method"], found["path"]


Doors = list[tuple[Guarded, frozenset[tuple[str, str]]]]
"""Guards around an application, each with what may pass without it."""


def doors_of(app: Starlette) -> Doors:
    """The doors around an application, its own middleware among them."""
    return [*_found(_around.get(app, ())), *doors_inside(app)]


def doors_at(app: Starlette, passed: Iterable[Any]) -> Doors:
    """The doors around an application where it is mounted: elsewhere it may have others, or none.

    Args:
        app: the application.
        passed: what stands around it at that place.
    """
    return [*doors_among(passed), *doors_inside(app)]


def doors_among(passed: Iterable[Any]) -> Doors:
    """The doors among what stands around something."""
    return _found(each for each in passed if isinstance(each, Protected))


def doors_inside(app: Starlette) -> Doors:
    """The doors among the middleware of an application."""
    found: Doors = []
    for middleware in app.user_middleware:
        made = cast(Any, middleware.cls)
        if not (isinstance(getattr(made, "__self__", None), StepUpVerbs) and made.__name__ == "protect"):
            continue
        guard = middleware.kwargs.get("requirement", next(iter(middleware.args), None))
        if isinstance(guard, Guarded):
            exempt = cast(Iterable[str], middleware.kwargs.get("exempt", ()))
            found.append((guard, frozenset(exemptions(exempt))))
    return found


def _found(doors: Iterable[Protected]) -> Doors:
    return [(each.guard, each.exempt) for each in doors]


def doors_before(doors: Doors, method: str, path: str) -> list[Guarded]:
    """Those that a route does not do without.

    Args:
        doors: the doors.
        method: in upper case; `WEBSOCKET` for a websocket.
        path: the template of the route; one with parameters is never exempt as a whole.
    """
    return [guard for guard, exempt in doors if (method, path) not in exempt]


def _application_below(app: Any) -> Any:
    """An application or a router, also inside of middleware."""
    while app is not None and not hasattr(app, "routes"):
        app = getattr(app, "app", None) or getattr(app, "_app", None)
    return app


def _entry_in(below: Any, guard: Guarded) -> EmbeddedRoutes | None:
    """What `install` put into the router of an application."""
    for route in getattr(below, "routes", ()):
        if isinstance(route, EmbeddedRoutes) and route.is_of(guard.deployment.prepare):
            return route
    return None
