"""An issuer of a test's own: metadata, keys and introspection over real sockets, well behaved or not."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from select import select
from socket import MSG_PEEK
from threading import Event, Lock, Thread
from typing import Any, Literal, Self
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

Mood = Literal["well", "hangs", "drips", "3 MB", "redirects", "500", "no JSON", "another issuer", "packed"]
NOW = 1_800_000_000
URL = "https://api.example.com"
_MAKE: dict[str, Callable[[], Any]] = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "RS256": lambda: rsa.generate_private_key(65537, key_size=2048),
    "PS256": lambda: rsa.generate_private_key(65537, key_size=2048),
}


@cache
def key_of(kid: str, alg: str) -> Any:
    """A key of a name; made once, for RSA takes long."""
    return _MAKE[alg]()


def jwk_of(kid: str, alg: str, /, **members: Any) -> dict[str, Any]:
    """A key as it is published."""
    public = key_of(kid, alg).public_key()
    return {
        **jwt.get_algorithm_by_name(alg).to_jwk(public, as_dict=True),
        "kid": kid,
        "alg": alg,
        "use": "sig",
        **members,
    }


@dataclass
class IssuerServer:
    """The issuer; a block of `with` is its life.

    Attributes:
        keys: what it publishes.
        metadata: further members of its metadata.
        mood: how it answers.
        paths: the path of each request so far.
        connections, most, ever: how many there are, were at a time, and have been.
        forms: what it was asked about tokens, with the header that says by whom.
        introspect: what it answers about a token.
        odd: the status with which it answers about a token, where that is another than 200; 0 is no answer at all.
    """

    keys: list[dict[str, Any]] = field(default_factory=lambda: [jwk_of("k", "ES256")])
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    mood: Mood = "well"
    paths: list[str] = field(default_factory=list[str])
    forms: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    introspect: Callable[[dict[str, str]], Mapping[str, Any]] = lambda form: {"active": False}
    odd: dict[str, int] = field(default_factory=dict[str, int])
    port: int = 0
    connections: int = 0
    most: int = 0
    ever: int = 0
    _server: ThreadingHTTPServer | None = None
    _going_on: Event = field(default_factory=Event)
    _lock: Any = field(default_factory=Lock)

    @property
    def url(self) -> str:
        """The issuer's identifier."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def looks(self) -> int:
        """How often its keys were read."""
        return self.paths.count("/jwks")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin, on the same port as before."""
        self._going_on = Event()
        self._server = _Server(("127.0.0.1", self.port), type("Handler", (_Handler,), {"issuer": self}))
        self.port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """End; the port is closed."""
        server, self._server = self._server, None
        self._going_on.set()
        if server is not None:
            server.shutdown()
            server.server_close()

    def token(self, kid: str = "k", alg: str = "ES256", *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token of this issuer (RFC 9068); a claim that is `None` is left out."""
        standard = {
            "iss": self.url,
            "aud": URL,
            "sub": "ada",
            "client_id": "cli",
            "iat": NOW,
            "exp": NOW + 300,
            "jti": "j",
        }
        own = {"scope": "payments", "acr": "mfa", "auth_time": NOW}
        members = {name: value for name, value in {**standard, **own, **claims}.items() if value is not None}
        return jwt.encode(members, key_of(kid, alg), alg, headers={"typ": "at+jwt", "kid": kid, **(header or {})})

    def document(self, path: str) -> Mapping[str, Any] | None:
        """What a path says."""
        if path == "/jwks":
            return {"keys": self.keys}
        if path == "/.well-known/openid-configuration":
            endpoint = {"introspection_endpoint": f"{self.url}/introspect"}
            return {"issuer": self.url, "jwks_uri": f"{self.url}/jwks", **endpoint, **self.metadata}
        return None

    def count(self, change: int) -> None:
        """A connection has come, or gone."""
        with self._lock:
            self.connections += change
            self.ever += max(change, 0)
            self.most = max(self.most, self.connections)

    def wait(self, seconds: float) -> bool:
        """Wait, unless the server ends."""
        return self._going_on.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    issuer: IssuerServer

    def do_GET(self) -> None:
        self.issuer.paths.append(self.path)
        self._answer(self.issuer.document(self.path))

    def do_POST(self) -> None:
        self.issuer.paths.append(self.path)
        form = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
        self.issuer.forms.append({**form, "authorization": self.headers.get("authorization", "")})
        status = self.issuer.odd.get(form.get("token", ""))
        if status == 0:
            self._hang()
        self._answer(self.issuer.introspect(form), status or None)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def handle(self) -> None:
        self.issuer.count(1)
        with suppress(OSError):  # who asked has gone
            super().handle()
        self.issuer.count(-1)

    def _answer(self, members: Mapping[str, Any] | None, status: int | None = None) -> None:
        if self.issuer.wait(0):  # it has ended, and this connection was kept
            self.close_connection = True
            return
        mood, body = self.issuer.mood, json.dumps(members).encode()
        if mood == "hangs":
            self._hang()
        elif mood == "drips":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while not self.issuer.wait(0.1):
                self.wfile.write(b"x-more: 1\r\n")
        else:
            usual, *rest = _said(self.issuer, mood, body, members is not None)
            self._say(status or usual, *rest)

    def _hang(self) -> None:
        """Until who asked has gone, or the server ends."""
        self.close_connection = True
        while not self.issuer.wait(0.02):
            if select([self.connection], [], [], 0)[0] and not self.connection.recv(1, MSG_PEEK):
                return

    def _say(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("content-length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _said(issuer: IssuerServer, mood: Mood, body: bytes, found: bool) -> tuple[Any, ...]:
    """Status, body and headers."""
    if mood == "redirects":
        return 302, b"", ("location", f"{issuer.url}/elsewhere")
    if mood == "packed":
        return 200, body, ("content-encoding", "gzip")
    if not found or mood == "500":
        return (500 if found else 404), b"{}"
    wrong = {"3 MB": b" " * 3_000_000 + body, "no JSON": b"<html>", "another issuer": b'{"issuer":"x"}'}
    return 200, wrong.get(mood, body)
