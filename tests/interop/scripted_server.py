"""An API with its authorization server in one small program, written from the wire protocol alone, without upstile.

It knows one user and one client, keeps its state in dicts, and is strict: whatever a client does against the wire
protocol becomes a sentence in `Scripted.violations`, which a test asserts to be empty; `Scripted.exchanges` lists what
was exchanged. `Scripted.misbehave` switches on one fault of the server, a name of `FAULTS`. Where a fault must end the
client's road, going on is a violation too.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import unquote

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from interop.scripted_authority import Authority
from interop.scripted_checks import Violation, require
from interop.scripted_state import Refusal, Token, no_store

FAULTS = {
    "relayed-challenge": "a step whose WebAuthn challenge is bound to another issuer",
    "challenge-again": "the new token is challenged like the old one",
    "wrong-acr": "a token response with another acr than asked",
    "stale-auth-time": "a token response with an auth_time of an hour ago",
    "foreign-issuer": "resource metadata that names an issuer at another origin",
    "foreign-metadata": "a challenge whose resource_metadata is at another origin",
    "malformed-header": "a challenge that is none",
    "endless-body": "a challenge whose body never ends",
    "dpop-nonce": "authorization server and API each demand a DPoP nonce once",
    "reject-first": "the first right code is rejected",
    "lost-answer": "the reply to the first answer is lost",
    "lost-repeat": "the response to the repeated DELETE /account is lost",
    "redirect": "GET /redirect leads elsewhere (it always does)",
}
SATISFIES = {"phr": {"phr", "mfa"}, "mfa": {"mfa"}}


@dataclass(frozen=True)
class Need:
    """What a route asks for, and row 4 of §1 in one of the legal spellings of RFC 9110 §11."""

    acr: str | None
    max_age: int | None
    spelling: str


ROUTES: dict[tuple[str, str], Need | None] = {
    ("GET", "/balance"): None,
    ("GET", "/redirect"): None,
    ("POST", "/transfers"): Need(
        "mfa",
        300,
        'DPoP Error="insufficient_user_authentication", ACR_Values="mfa", MAX_AGE="300", algs="ES256", '
        'resource_metadata="{}"',
    ),
    ("PUT", "/payout-address"): Need(
        "phr",
        None,
        "Negotiate YIIBlg0KGgo==, , dpop error = insufficient_user_authentication ,acr_values\t=\t"
        r'"ph\r",algs= "ES256", resource_metadata ="{}"',
    ),
    ("DELETE", "/account"): Need(
        None,
        0,
        'DPoP resource_metadata="{}", algs="ES256", max_age=0, error="insufficient_user_authentication"',
    ),
}


class Lost(Response):
    """A response that never arrives: the connection is closed instead. Its status in `exchanges` is 0."""

    def __init__(self, server: uvicorn.Server) -> None:
        super().__init__()
        self.status_code, self.server = 0, server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for connection in list(self.server.server_state.connections):
            if getattr(connection, "client", None) == scope["client"]:
                connection.transport.close()
        await asyncio.sleep(0)  # uvicorn learns of it now


class Scripted(Authority):
    """The API's half, and the door of both; `run` serves it."""

    server: uvicorn.Server

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock=clock)
        self.exchanges: list[tuple[str, str, int]] = []
        self.accepted: list[tuple[str, str, bytes]] = []  # method, path and body of each call that the API let through
        self.authorization = {
            ("GET", "/.well-known/oauth-protected-resource"): self.resource_metadata,
            ("GET", "/.well-known/oauth-authorization-server"): self.server_metadata,
            ("POST", "/login"): self.login,
            ("POST", "/challenge"): self.challenge,
            ("POST", "/token"): self.token,
        }

    async def handle(self, request: Request) -> Response:
        where = (request.method, request.url.path)
        try:
            response = await self._dispatch(request, where)
        except Refusal as refusal:
            response = refusal.response
        except Violation as violation:
            self.blame(request, violation.sentence)
            response = self._refuse(where, violation.error)
        self.exchanges.append((*where, response.status_code))
        return response

    async def _dispatch(self, request: Request, where: tuple[str, str]) -> Response:
        require(self.misbehave in {None, *FAULTS}, f"the script knows no fault {self.misbehave!r}")
        query = unquote(request.url.query)
        known = [*self.tokens, *self.sessions, *self.codes]
        require("token=" not in query and not any(name in query for name in known), "a token in the query string")
        if where in ROUTES:
            return await self._call(request, where)
        require(where in self.authorization, "nothing that the script expects", "not_found")
        require("authorization" not in request.headers, "an Authorization header where none is asked for")
        return await self.authorization[where](request)

    def _refuse(self, where: tuple[str, str], error: str) -> Response:
        if where not in ROUTES:
            return no_store({"error": error}, 404 if error == "not_found" else 400)
        return self._problem(400, error) if error == "invalid_request" else self._unauthorized(error)

    async def _call(self, request: Request, where: tuple[str, str]) -> Response:
        token, need, body = self._presented(request), ROUTES[where], await request.body()
        if token.single_use and (need is None or need.max_age != 0):
            raise Violation("a single-use token on a route that takes none", "invalid_token")
        if need and not self._suffices(token, need):
            return self._insufficient(token, need)
        token.used = token.single_use
        self.accepted.append((*where, body))
        if where == ("GET", "/redirect"):
            return RedirectResponse(f"{self.elsewhere}/landing")
        if token.single_use and self.ends_with("lost-repeat", "the response to the repeated call was lost"):
            return self.lost()
        return JSONResponse({"done": f"{where[0]} {where[1]}"})

    def _presented(self, request: Request) -> Token:
        headers = request.headers.getlist("authorization")
        require(len(headers) < 2, "two Authorization headers")
        scheme, _, name = (headers or [""])[0].partition(" ")
        if scheme.lower() not in {"dpop", "bearer"}:
            raise Refusal(self._missing_token())
        require(scheme.lower() == "dpop", "a bound token sent as Bearer", "invalid_token")
        token = self.tokens.get(name)
        if token is None:
            raise Violation("a token that this server did not issue", "invalid_token")
        require(
            self.proof(request, name) == token.login.jkt, "a proof by another key than the token's", "invalid_token"
        )
        require(not token.poison, f"the token was used although {token.poison}", "invalid_token")
        require(not token.used, "a single-use token was used twice", "invalid_token")
        if token.expires <= self.clock():
            raise Refusal(self._unauthorized("invalid_token"))
        return token

    def _suffices(self, token: Token, need: Need) -> bool:
        if token.acr and self.ends_with("challenge-again", "the new token was challenged in its turn"):
            return False
        if need.max_age == 0:
            return token.single_use
        fresh = need.max_age is None or self.clock() - token.auth_time <= need.max_age
        return fresh and (need.acr is None or need.acr in SATISFIES.get(token.acr or "", ()))

    def _insufficient(self, token: Token, need: Need) -> Response:
        asked: dict[str, object] = {"acr_values": [need.acr] if need.acr else []}
        if need.max_age is not None:
            asked["max_age"] = need.max_age
        token.login.asked.add((need.acr, None if need.max_age is None else str(need.max_age)))
        challenge = need.spelling.replace("{}", self._metadata())
        if self.ends_with("malformed-header", "a malformed challenge"):
            challenge = 'DPoP error="insufficient_user_authentication", acr_values="mfa, max_age=300'
        problem = self._problem(401, "insufficient_user_authentication", challenge, **asked)
        if self.misbehave == "endless-body":
            headers = {"WWW-Authenticate": challenge, "Content-Type": "application/problem+json"}
            return StreamingResponse(self._endless(bytes(problem.body)), 401, headers)
        return problem

    async def _endless(self, body: bytes) -> AsyncIterator[bytes]:
        yield body[:-1]
        while not self.server.should_exit:
            yield b" " * 64
            await asyncio.sleep(0)

    def _missing_token(self) -> Response:
        metadata = self._metadata()
        response = self._problem(401, "missing_token", f'Bearer realm="bank", resource_metadata="{metadata}"')
        response.headers.append("WWW-Authenticate", f'DPoP algs="ES256", resource_metadata="{metadata}"')
        return response

    def _unauthorized(self, error: str) -> Response:
        return self._problem(401, error, f'DPoP error="{error}", algs="ES256", resource_metadata="{self._metadata()}"')

    def _metadata(self) -> str:
        foreign = self.ends_with("foreign-metadata", "resource_metadata at another origin")
        return f"{self.elsewhere if foreign else self.origin}/.well-known/oauth-protected-resource"

    def _problem(self, status: int, error: str, challenge: str | None = None, **beside: object) -> Response:
        problem = {"type": f"urn:upstile:problem:{error.replace('_', '-')}", "title": error, "status": status}
        problem |= {"detail": "Confirm that this is you.", "instance": f"urn:uuid:{uuid.uuid4()}"}
        headers = {"WWW-Authenticate": challenge} if challenge else None
        return Response(json.dumps({**problem, **beside}), status, headers, "application/problem+json")

    def want_nonce(self, side: str, headers: dict[str, str]) -> Response:
        response = self._unauthorized("use_dpop_nonce") if side == "api" else super().want_nonce(side, headers)
        response.headers.update(headers)
        return response

    def lost(self) -> Response:
        return Lost(self.server)


@contextmanager
def run(scripted: Scripted) -> Iterator[str]:
    """Serve on a free port of the loopback interface; the value is the origin, `http://localhost:PORT`."""
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    app = Starlette(routes=[Route("/{path:path}", scripted.handle, methods=methods)])
    config = uvicorn.Config(app, http="h11", ws="none", lifespan="off", log_config=None, access_log=False)
    scripted.server = uvicorn.Server(config)
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        scripted.origin = f"http://localhost:{listening.getsockname()[1]}"
        thread = threading.Thread(target=scripted.server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            while not scripted.server.started and thread.is_alive():
                time.sleep(0.01)
            yield scripted.origin
        finally:
            scripted.server.should_exit = True
            thread.join(5)
            assert not thread.is_alive(), "the scripted server did not stop"
