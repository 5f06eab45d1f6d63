"""`Cache-Control: no-store` on the response in which an application hands out a token (RFC 6749 §5.1).

The application writes that response, and need not think of it: a sign-in says here that a token goes out, and the
middleware puts the header on whatever the application answers to the same request.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

_HANDS_OUT = "upstile.hands_out_token"
_request: ContextVar[Scope | None] = ContextVar("upstile.request", default=None)


def token_goes_out() -> None:
    """Say that the response to the request that is being handled will hold a token."""
    scope = _request.get()
    if scope is not None:
        scope[_HANDS_OUT] = True


class NoStore:
    """An ASGI middleware; each request of the application passes it, so it is no coroutine and does next to nothing.

    NOTE: the request is not taken back from its context. A server gives each request a context of its own, and the next
    request of the same one is set before anything can be said of it.
    """

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Hand on; the header is added where a token goes out."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        _request.set(scope)

        def speak(message: Any) -> Awaitable[None]:
            return send(_marked(message) if _HANDS_OUT in scope else message)

        return self._app(scope, receive, speak)


def _marked(message: Any) -> Any:
    if message["type"] != "http.response.start":
        return message
    kept = [(name, value) for name, value in message["headers"] if name.lower() != b"cache-control"]
    return {**message, "headers": [*kept, (b"cache-control", b"no-store")]}
