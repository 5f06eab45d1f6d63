"""A small API of a test's own that judges an identity provider's tokens; no line of ours on the server's side.

`POST /transfers?acr=mfa&max_age=300` asks for that. It publishes what it is (RFC 9728).
"""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt


@dataclass
class JudgingApi:
    """What it knows.

    Attributes:
        issuer: whose tokens it takes.
        url: where it is.
        audience: what its tokens name it, if that is not where it is.
        bound: whether it says that it takes tokens that are bound to a key.
        calls: the claims of the tokens that came; `None` for a call without one.
        dead: the identifiers of tokens that are not taken any more.
        refuses: answers instead of a judgement: status and headers, one for each call.
    """

    issuer: str
    url: str = ""
    audience: str | None = None
    bound: bool = True
    calls: list[dict[str, Any] | None] = field(default_factory=list[dict[str, Any] | None])
    dead: set[str] = field(default_factory=set[str])
    refuses: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    keys: jwt.PyJWKSet | None = None

    def judge(self, authorization: str | None, asked: Mapping[str, str]) -> tuple[int, str | None]:
        """The status, and the challenge."""
        where = f'resource_metadata="{self.url}/.well-known/oauth-protected-resource"'
        if authorization is None:
            self.calls.append(None)
            return 401, f"Bearer {where}"
        scheme, _, token = authorization.partition(" ")
        try:
            claims = self._claims(token)
        except jwt.InvalidTokenError:
            return 401, f'{scheme} error="invalid_token", {where}'
        if claims["jti"] in self.dead:
            return 401, f'{scheme} error="invalid_token", {where}'
        self.calls.append(claims)
        if self.refuses:
            return self.refuses.pop(0)
        weak = "acr" in asked and claims.get("acr") not in asked["acr"].split()
        old = "max_age" in asked and time() - claims.get("auth_time", 0) > int(asked["max_age"])
        if weak or old:
            params = [f'acr_values="{asked["acr"]}"'] if "acr" in asked else []
            params += [f"max_age={asked['max_age']}"] if "max_age" in asked else []
            return 401, ", ".join([f'{scheme} error="insufficient_user_authentication"', *params, where])
        return 200, None

    def _claims(self, token: str) -> dict[str, Any]:
        if self.keys is None:
            metadata = httpx.get(f"{self.issuer}/.well-known/openid-configuration").json()
            self.keys = jwt.PyJWKSet.from_dict(httpx.get(metadata["jwks_uri"]).json())
        key = self.keys[jwt.get_unverified_header(token)["kid"]]
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=["ES256", "RS256"],
            audience=self.audience or self.url,
            issuer=self.issuer,
            options={"require": ["exp"]},
        )
        return claims


def _handler(api: JudgingApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path != "/.well-known/oauth-protected-resource":
                self.do_POST()
                return
            told: dict[str, Any] = {"resource": api.url, "authorization_servers": [api.issuer]}
            self._reply(200, {**told, **({"dpop_signing_alg_values_supported": ["ES256"]} if api.bound else {})})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            status, challenge = api.judge(self.headers.get("authorization"), asked)
            self._reply(status, {"ok": status == 200}, challenge)

        def _reply(self, status: int, members: Any, challenge: str | None = None) -> None:
            body = json.dumps(members).encode()
            self.send_response(status)
            if challenge is not None:
                self.send_header("WWW-Authenticate", challenge)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    return Handler


@contextmanager
def judging_api(issuer: str, *, bound: bool = True, audience: str | None = None) -> Generator[JudgingApi]:
    """Run one."""
    api = JudgingApi(issuer, bound=bound, audience=audience)
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(api)) as server:
        api.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()
