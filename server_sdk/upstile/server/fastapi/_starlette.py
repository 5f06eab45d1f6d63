"""Requests and responses of Starlette, and of FastAPI on top of it, to and from those of the engine."""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.status import WS_1008_POLICY_VIOLATION
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from upstile.server._http import HttpRequest, HttpResponse
from upstile.server._public_url import below_root
from upstile.server._route import Route
from upstile.server.authorization._endpoints import MAX_BODY
from upstile.server.fastapi._mounts import place_of

_NONE: tuple[Match, Scope] = (Match.NONE, {})
_FOUND = "upstile.route"
_NAME = re.compile(r"\{\w+\}")
_SOME_ID = "AbCd-1234_5678ef"


class EmbeddedRoutes(BaseRoute):
    """All paths of the embedded server as one entry of a router.

    It stands first, so that no catch-all of the application hides it, and each request of the application passes it: so
    it is a look-up in a dict, and a pattern is tried only where a path begins as one.

    Args:
        routes: the paths.
        prepare: opens storage.
        prefix: the path of the public URL. It comes with a request, or was taken off before: both are answered.
    """

    path = "/stepup"
    """The name for tools that count requests by the path of their route."""

    def __init__(self, routes: Iterable[Route], prepare: Callable[[], Awaitable[None]], prefix: str = "") -> None:
        plain = tuple(routes)
        known = (*plain, *(replace(route, path=prefix + route.path) for route in plain)) if prefix else plain
        self.answered = [
            (method, _NAME.sub(_SOME_ID, route.path)) for route in known for method in _methods(route.endpoints)
        ]
        """Method and path of each request that is answered here; a parameter of the path is one of many."""
        self._fixed = {route.path: route for route in known if "{" not in route.path}
        self._patterns = [(_pattern(route.path), route) for route in known if "{" in route.path]
        self._beginnings = tuple({route.path.partition("{")[0] for _, route in self._patterns})
        self._prepare = prepare

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a request is the embedded server's."""
        path = scope["path"]
        if path in self._fixed or path.startswith(self._beginnings) or scope.get("root_path"):
            return self._matches(scope, path)
        return _NONE

    def answers(self, scope: Scope) -> bool:
        """Whether a request is the embedded server's, by a method that it has."""
        match, found = self.matches(scope)
        return match is Match.FULL and scope["method"] in _methods(found[_FOUND].endpoints)

    def is_of(self, prepare: Callable[[], Awaitable[None]]) -> bool:
        """Whether these are the paths of the deployment that is opened by this."""
        return self._prepare == prepare

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        """None of the paths has a name: the documents say where they are."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        route: Route = scope[_FOUND]
        request = Request(scope, receive)
        try:
            neutral = replace(head(request), body=await _bounded_body(request))
        except ClientDisconnect:  # nobody's fault, and nobody reads it; some middleware wants a response all the same
            answer = Response(status_code=400)
        else:
            answer = response(await route.answer(neutral, request.path_params, self._prepare))
        await answer(scope, receive, send)

    def _matches(self, scope: Scope, path: str) -> tuple[Match, Scope]:
        if scope["type"] != "http":
            return _NONE
        path = below_root(path, scope.get("root_path", ""))
        if path in self._fixed:
            return Match.FULL, {_FOUND: self._fixed[path], "path_params": {}}
        for pattern, route in self._patterns:
            found = pattern.fullmatch(path)
            if found is not None:
                return Match.FULL, {_FOUND: route, "path_params": found.groupdict()}
        return _NONE


def head(request: HTTPConnection) -> HttpRequest:
    """All of a request but its body. A websocket's handshake is a GET (RFC 6455 §4.1)."""
    scope = request.scope
    raw = scope.get("raw_path")
    # NOTE: never `request.url`: Starlette makes it from the Host header, which the client chooses.
    path = raw.split(b"?", 1)[0].decode("latin-1") if raw else quote(scope["path"])
    client = scope.get("client")
    return HttpRequest(
        method=scope.get("method", "GET"),
        path=path,
        headers=scope["headers"],
        path_decoded=not raw,
        peer=None if client is None else client[0],
        root_path=scope.get("app_root_path", scope.get("root_path", "")),
    )


def route_of(scope: Scope) -> str | None:
    """The template of the route of a call, such as `POST /transfers/{id}`, with those that it is mounted below."""
    template = getattr(scope.get("route"), "path", None)
    if template is None:
        return None
    outer: str = scope.get("app_root_path", "")
    below: str = scope.get("root_path", "").removeprefix(outer)
    return f"{scope.get('method', 'GET')} {place_of(scope.get('app'), below)}{template}"


def response(neutral: HttpResponse) -> Response:
    """A response as Starlette sends it."""
    made = Response(neutral.body, status_code=neutral.status)
    for name, value in neutral.headers:  # NOTE: a mapping could not hold two WWW-Authenticate lines
        made.headers.append(name, value)
    return made


async def answer(connection: HTTPConnection, neutral: HttpResponse) -> Response | None:
    """Answer a call that is refused: the response to send, or `None` for a websocket, which is answered here.

    A handshake gets the response, or is closed with 1008 where it was accepted already or the server cannot send one.
    """
    if not isinstance(connection, WebSocket):
        return response(neutral)
    state = connection.application_state
    try:
        if state is WebSocketState.CONNECTING and "websocket.http.response" in connection.scope.get("extensions", ()):
            await connection.send_denial_response(response(neutral))
        elif state in (WebSocketState.CONNECTING, WebSocketState.CONNECTED):
            await connection.close(WS_1008_POLICY_VIOLATION)
    except (WebSocketDisconnect, OSError):  # the app went away: nobody's fault, and nobody reads it
        pass
    return None


async def _bounded_body(request: Request) -> bytes:
    """The body; of one that is too large as much as shows it. Raises `ClientDisconnect`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            break
    return bytes(body)


def _methods(endpoints: Iterable[str]) -> tuple[str, ...]:
    named = tuple(endpoints)
    return (*named, "HEAD") if "GET" in named else named


def _pattern(path: str) -> re.Pattern[str]:
    """`{id}` is one segment."""
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))
