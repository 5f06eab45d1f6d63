"""Shows each HTTP exchange of the demo as it passes the socket, with secrets masked, and remembers it."""

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from threading import Lock
from time import perf_counter
from typing import Any
from urllib.parse import parse_qs

from rich.markup import escape

from examples.bank.page import Page
from upstile.protocol import base64url_decode

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_COLOURS = {2: "green", 4: "yellow", 5: "red"}
_CHALLENGE, _TOKEN = "/stepup/challenge", "/stepup/token"
_NO_FAILURE = "(403 is how the draft standard, OAuth for First-Party Applications, asks for a proof)"
_ALWAYS_THE_SAME = ("resource_metadata=", "algs=")
_parameter = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*")+,?')


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
        page: where it is shown.
    """

    def __init__(self, app: Any, page: Page) -> None:
        self._app = app
        self._page = page
        self._lock = Lock()
        self._explained = False
        self._challenged = False
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
            if message["type"] == "http.response.start":
                head.update(message)  # held back: after a 204 the app goes on at once
                return
            reply.extend(message.get("body", b""))
            if not message.get("more_body"):
                self._show(scope, bytes(request), head, bytes(reply), perf_counter() - began)
                await send(head)
                await send({"type": "http.response.body", "body": bytes(reply)})

        await self._app(scope, listen, speak)

    def _show(self, scope: Scope, request: bytes, head: Message, reply: bytes, seconds: float) -> None:
        exchange = Exchange(scope["method"], scope["path"], head["status"])
        note = _note(exchange, request, reply)
        challenges = [value.decode("latin-1") for name, value in head["headers"] if name == b"www-authenticate"]
        with self._lock:
            self._seen.append(exchange)
            status = f"[{_COLOURS.get(exchange.status // 100, 'white')}]{exchange.status}[/]"
            line = f"[bold]{exchange.method:6}[/] {exchange.path}  {status} [dim]{seconds * 1000:.1f} ms[/]"
            self._page.say(line, indent=2)
            for challenge in challenges:
                self._show_challenge(challenge)
            if note:
                self._page.say(f"[dim]{escape(note)}[/]", indent=9)
            if (exchange.path, exchange.status) == (_CHALLENGE, 403) and not self._explained:
                self._explained = True  # once: it is the same each time
                self._page.say(f"[dim]{_NO_FAILURE}[/]", indent=9)

    def _show_challenge(self, challenge: str) -> None:
        """The first one whole, one parameter a line; of the others what says something that was not there before.

        Where a line is too wide for the terminal, the value goes on the next one.
        """
        first, *others = (found.strip() for found in _parameter.findall(challenge))
        self._page.verbatim(f"WWW-Authenticate: {first}", "yellow", indent=9)
        if self._challenged:
            new = [parameter for parameter in others if not parameter.startswith(_ALWAYS_THE_SAME)]
            self._page.verbatim(" ".join([*new, "…"]), "yellow", indent=11)
            return
        self._challenged = True
        for parameter in others:
            name, _, value = parameter.partition("=")
            if self._page.fits(parameter, indent=11):
                self._page.verbatim(parameter, "yellow", indent=11)
            else:
                self._page.verbatim(f"{name}=\n  {value}", "yellow", indent=11)


def _note(exchange: Exchange, request: bytes, reply: bytes) -> str:
    """What an exchange was about, in words; never a token, a code or a session."""
    if exchange.path not in (_CHALLENGE, _TOKEN):
        return ""
    body = _members(reply)
    return _token_note(body) if exchange.path == _TOKEN else f"{_sent(request)} → {_step_note(body)}"


def _members(reply: bytes) -> dict[str, Any]:
    try:
        body = json.loads(reply)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _sent(request: bytes) -> str:
    form = parse_qs(request.decode("utf-8", "replace"))
    if "authn_method" in form:
        return f"answer by {form['authn_method'][0]}"
    return f"start ({form['acr_values'][0] if 'acr_values' in form else 'any proof'})"


def _step_note(body: dict[str, Any]) -> str:
    if "authn_methods" not in body:
        return "authorization_code=•••" if "authorization_code" in body else str(body.get("error", "refused"))
    offers = ", ".join(offer["method"] for offer in body["authn_methods"])
    result = f"{body['result']}; " if "result" in body else ""
    left = body["attempts_left"]
    return f"{result}asks for {offers}; {left} {'attempt' if left == 1 else 'attempts'} left"


def _token_note(body: dict[str, Any]) -> str:
    if "access_token" not in body:
        return str(body.get("error", "refused"))
    claims = json.loads(base64url_decode(body["access_token"].split(".")[1]))
    serves = "serves once" if claims.get("single_use") else f"for {body['expires_in']} s"
    acr = f"acr={body['acr']}" if "acr" in body else "without acr"
    return f"{body['token_type']} access_token=••• {acr} {serves}"
