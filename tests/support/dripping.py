"""An API and its authorization server on a real socket, one of whose replies comes one byte at a time."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import Any, Literal

Part = Literal["headers", "body"]
_PAUSE = 0.05


class Dripping(ThreadingHTTPServer):
    """The server.

    Attributes:
        place: whose reply drips: `resource`, `server`, `start`, `answer`, `token`, `call`.
        part: which part of it.
        served: the places that were asked, in their order.
        padding: blanks at the end of each body.
    """

    daemon_threads = True

    def __init__(self, place: str, part: Part) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.place, self.part = place, part
        self.served: list[str] = []
        self.over = threading.Event()
        self.padding = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://localhost:{self.server_port}"


@contextmanager
def dripping(place: str, part: Part) -> Generator[Dripping]:
    """The server, running."""
    with Dripping(place, part) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _dripping(self) -> Dripping:
        assert isinstance(self.server, Dripping)
        return self.server

    def do_GET(self) -> None:
        self._reply()

    def do_POST(self) -> None:
        self._reply()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""

    def _reply(self) -> None:
        form = self.rfile.read(int(self.headers.get("content-length", 0)))
        place = _place(self.path, form)
        status, headers, body = _reply_of(place, self._dripping.url, self.headers.get("authorization", ""))
        text = json.dumps(body).encode() + b" " * self._dripping.padding
        head = [f"HTTP/1.1 {status} X", f"content-length: {len(text)}", "content-type: application/json", *headers]
        self._dripping.served.append(place)
        whole = "\r\n".join([*head, "", ""]).encode() + text
        drips = place == self._dripping.place and (place != "call" or status == 401)
        if not drips:
            self.wfile.write(whole)
            return
        at_once = len(whole) - len(text) if self._dripping.part == "body" else len("HTTP/1.1 200")
        self.wfile.write(whole[:at_once])
        self._drip(whole[at_once:])

    def _drip(self, rest: bytes) -> None:
        self.close_connection = True
        with suppress(OSError):
            for byte in rest:
                if self._dripping.over.wait(_PAUSE):
                    break
                self.wfile.write(bytes([byte]))


def _place(path: str, form: bytes) -> str:
    if path == "/challenge":
        return "start" if b"response_type" in form else "answer"
    places = {"/.well-known/oauth-protected-resource": "resource", "/.well-known/oauth-authorization-server": "server"}
    return places.get(path) or {"/token": "token"}.get(path, "call")


def _reply_of(place: str, url: str, authorization: str) -> tuple[int, list[str], Any]:
    if place == "call" and "ELEVATED" not in authorization:
        return 401, ['www-authenticate: Bearer error="insufficient_user_authentication", acr_values="mfa"'], {}
    step = {"error": "insufficient_authorization", "auth_session": "s", "expires_in": 300, "attempts_left": 5}
    token = {"access_token": "ELEVATED", "token_type": "DPoP", "expires_in": 300, "acr": "mfa", "auth_time": time()}
    replies: dict[str, tuple[int, Any]] = {
        "call": (200, {}),
        "resource": (200, {"resource": url, "authorization_servers": [url]}),
        "server": (200, _metadata(url)),
        "start": (403, {**step, "authn_methods": [{"method": "totp"}]}),
        "answer": (200, {"authorization_code": "c"}),
        "token": (200, token),
    }
    status, body = replies[place]
    return status, [], body


def _metadata(url: str) -> dict[str, Any]:
    endpoints = {"authorization_challenge_endpoint": f"{url}/challenge", "token_endpoint": f"{url}/token"}
    return {"issuer": url, "dpop_signing_alg_values_supported": ["ES256"], **endpoints}
