"""Behind an adapter of AWS Lambda, which hands over no raw path: Mangum itself, with the events of each gateway."""

import asyncio
import json
from base64 import b64decode
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import Annotated, Any
from urllib.parse import unquote

import pytest
from fastapi import Depends, FastAPI, Request
from mangum import Mangum

from support.own_app import BANK_CLI
from support.wire_driver import NOON, URL, new_key
from upstile.protocol import create_proof
from upstile.server import Authentication, TokenResponse
from upstile.server.fastapi import StepUp

Event = Callable[[str, str, dict[str, str]], dict[str, Any]]


def _rest_api(method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    context = {"identity": {"sourceIp": "127.0.0.1"}}
    return {"resource": "/{any+}", "path": path, "httpMethod": method, "headers": headers, "requestContext": context}


def _http_api(method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    """Also the event of a function URL; the gateway has decoded the path before."""
    http = {"method": method, "path": unquote(path), "sourceIp": "127.0.0.1"}
    return {"version": "2.0", "rawPath": unquote(path), "headers": headers, "requestContext": {"http": http}}


def _load_balancer(method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    return {"requestContext": {"elb": {}}, "path": path, "httpMethod": method, "headers": headers}


@dataclass
class Function:
    """A function of AWS Lambda, and an app that calls it."""

    handler: Any
    event: Event
    key: Any
    token: str = ""

    def call(self, method: str, path: str, *, htu: str | None = None) -> tuple[int, Any]:
        """Status and body of a call whose proof names another path, if `htu` does."""
        token = self.token or None
        proof = create_proof(
            self.key, htm=method, htu=URL + (htu or path), now=NOON, jti=token_urlsafe(12), access_token=token
        )
        headers = {"host": "elsewhere.example", "dpop": proof}
        if token:
            headers["authorization"] = f"DPoP {token}"
        answer = self.handler(self.event(method, path, headers), {})
        body = b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"]
        return answer["statusCode"], json.loads(body)


@pytest.fixture(params=[_rest_api, _http_api, _load_balancer], ids=["REST API", "HTTP API", "load balancer"])
def function(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Function]:
    """The function with somebody signed in."""
    app = FastAPI()
    server = StepUp.embedded(
        url=URL,
        storage=f"sqlite:///{tmp_path}/s.db",
        clients=[BANK_CLI],
        clock=lambda: NOON,
        allow_insecure_loopback=True,
    )
    server.install(app)

    @app.post("/login")
    async def login(request: Request) -> TokenResponse:
        return await server.start_session("ada", amr=["pwd"], request=request)

    @app.get("/files/{name:path}")
    async def file(name: str, auth: Annotated[Authentication, Depends(server.require())]) -> str:
        return name

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        function = Function(Mangum(app, lifespan="off"), request.param, new_key())
        status, tokens = function.call("POST", "/login")
        assert status == 200
        function.token = tokens["access_token"]
        yield function
        loop.run_until_complete(server._deployment.aclose())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/files/a", "a"),
        ("/files/a%20b", "a b"),
        ("/files/a@b", "a@b"),
        ("/files/a%40b", "a@b"),
        ("/files/a%7Eb", "a~b"),
        ("/files/%C3%A9", "é"),
        ("/files/a:b;c,d=e+f", "a:b;c,d=e+f"),
        ("/files/a%3Fb", "a?b"),
    ],
)
def test_a_proof_for_the_path_as_the_app_wrote_it_is_good(function: Function, path: str, name: str) -> None:
    assert function.call("GET", path) == (200, name)


@pytest.mark.parametrize(
    ("path", "htu"),
    [
        ("/files/a%2Fb", "/files/a%2Fb"),
        ("/files/a/b", "/files/a%2Fb"),
        ("/files/a%25b", "/files/a%25b"),
        ("/files/a%252Fb", "/files/a%252Fb"),
        ("/files/a", "/files/b"),
        ("/files/%2e%2e/a", "/a"),
        ("/files/../files/a", "/files/a"),
    ],
)
def test_a_proof_whose_escapes_the_adapter_has_lost_is_good_for_nothing(
    function: Function, path: str, htu: str
) -> None:
    status, body = function.call("GET", path, htu=htu)
    assert (status, body["type"]) == (401, "urn:upstile:problem:invalid-dpop-proof")
