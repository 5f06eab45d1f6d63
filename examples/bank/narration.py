"""Shows each HTTP exchange of the demo as it passes the socket, with secrets masked, and remembers it."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from threading import Lock
from time import perf_counter
from typing import Any
from urllib.parse import parse_qs

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_COLOURS = {2: "green", 4: "yellow", 5: "red"}
_CHALLENGE, _TOKEN = "/stepup/challenge", "/stepup/token"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its response, as far as it may be shown."""

    method: str
    path: str
    status: int

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status}"


class Narrator:
    """An ASGI middleware in front of the bank that prints what passes.

    Args:
        app: the bank.
        console: where it is shown.
    """

    def __init__(self, app: Any, console: Console) -> None:
        self._app = app
        self._console = console
        self._lock = Lock()
        self._seen: list[Exchange] = []

    def taken(self) -> list[Exchange]:
        """The exchanges since the last call."""
        with self._lock:
            seen, self._seen = self._seen, []
        return seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, head, reply = bytearray(), dict[str, Any](), bytearray()
        began = perf_counter()

        async def listen() -> Message:
            message = await receive()
            request.extend(message.get("body", b""))
            return message

        async def speak(message: Message) -> None:
            head.update(message if message["type"] == "http.response.start" else {})
            reply.extend(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self._show(scope, bytes(request), head, bytes(reply), perf_counter() - began)
            await send(message)

        await self._app(scope, listen, speak)

    def _show(self, scope: Scope, request: bytes, head: Message, reply: bytes, seconds: float) -> None:
        exchange = Exchange(scope["method"], scope["path"], head["status"])
        note = _note(exchange, request, reply)
        challenges = [value.decode("latin-1") for name, value in head["headers"] if name == b"www-authenticate"]
        with self._lock:
            self._seen.append(exchange)
            status = f"[{_COLOURS.get(exchange.status // 100, 'white')}]{exchange.status}[/]"
            line = f"[bold]{exchange.method:6}[/] {exchange.path}  {status} [dim]{seconds * 1000:.1f} ms[/]"
            say(self._console, line, indent=2)
            for challenge in challenges:
                say(self._console, f"[yellow]WWW-Authenticate: {escape(challenge)}[/]", indent=9)
            if note:
                say(self._console, f"[dim]{escape(note)}[/]", indent=9)


def say(console: Console, markup: str, *, indent: int) -> None:
    """Print a line that keeps its indent where it has to be folded."""
    console.print(Padding(Text.from_markup(markup), (0, 0, 0, indent)))


def _note(exchange: Exchange, request: bytes, reply: bytes) -> str:
    """What an exchange was about, in words; never a token, a code or a session."""
    if exchange.path not in (_CHALLENGE, _TOKEN):
        return ""
    form, body = parse_qs(request.decode()), json.loads(reply)
    if exchange.path == _TOKEN:
        return _token_note(body)
    asked = form["acr_values"][0] if "acr_values" in form else "any proof"
    what = f"start ({asked})" if "response_type" in form else f"answer by {form['authn_method'][0]}"
    if "authn_methods" in body:
        offers = ", ".join(offer["method"] for offer in body["authn_methods"])
        result = f"{body['result']}; " if "result" in body else ""
        return f"{what} → {result}asks for {offers}; {body['attempts_left']} attempts left"
    return f"{what} → {'authorization_code=•••' if 'authorization_code' in body else body['error']}"


def _token_note(body: dict[str, Any]) -> str:
    if "error" in body:
        return str(body["error"])
    return f"{body['token_type']} access_token=••• acr={body.get('acr')} for {body['expires_in']} s"
