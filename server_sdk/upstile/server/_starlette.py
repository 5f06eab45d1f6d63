"""Requests and responses of Starlette, and of FastAPI on top of it, to and from those of the engine."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from upstile.server._deployment import Deployment
from upstile.server._http import HttpRequest, HttpResponse
from upstile.server.authorization._endpoints import MAX_BODY, Route

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""What the embedded server's paths are mounted for; those that none answers are told which ones there are."""


def mounted(deployment: Deployment, route: Route) -> Callable[[Request], Awaitable[Response]]:
    """A route of the embedded server as a handler."""

    async def handler(request: Request) -> Response:
        await deployment.prepare()
        neutral = replace(head(request), body=await _bounded_body(request))
        return response(await route.answer(neutral, request.path_params))

    return handler


def head(request: Request) -> HttpRequest:
    """All of a request but its body."""
    scope = request.scope
    raw = scope.get("raw_path")
    # NOTE: never `request.url`: Starlette makes it from the Host header, which the client chooses.
    path = raw.split(b"?", 1)[0].decode("latin-1") if raw else quote(scope["path"])
    return HttpRequest(method=scope["method"], path=path, headers=scope["headers"])


async def _bounded_body(request: Request) -> bytes:
    """The body; of one that is too large as much as shows it."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            break
    return bytes(body)


def response(neutral: HttpResponse) -> Response:
    """A response as Starlette sends it."""
    made = Response(neutral.body, status_code=neutral.status)
    for name, value in neutral.headers:  # NOTE: a mapping could not hold two WWW-Authenticate lines
        made.headers.append(name, value)
    return made
