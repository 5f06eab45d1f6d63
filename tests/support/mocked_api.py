"""An API and its authorization server as respx mocks them: what they answer, and a client of theirs."""

from collections.abc import AsyncIterable, Iterable
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import Any

import httpx

from support.libraries import HTTPX, current
from upstile.client import Client, Totp
from upstile.client.testing import ScriptedPrompter

API = "https://api.example.com"
CHALLENGE = (
    'Bearer error="insufficient_user_authentication", acr_values="mfa", max_age=300, '
    f'resource_metadata="{API}/.well-known/oauth-protected-resource"'
)
STEP = {
    "error": "insufficient_authorization",
    "auth_session": "SESSION-SECRET",
    "expires_in": 300,
    "attempts_left": 5,
    "account": "ad\u202e\x1b[31m••@example.com",
    "authn_methods": [{"method": "smoke-signals"}, {"method": "totp"}],
}
TOKEN = {
    "access_token": "ELEVATED-SECRET",
    "token_type": "DPoP",
    "expires_in": 300,
    "scope": "",
    "acr": "mfa",
    "auth_time": 1_800_000_000,
}
STEPPED = httpx.Response(403, json=STEP)
CODED = httpx.Response(200, json={"authorization_code": "CODE-SECRET"})
TOKENED = httpx.Response(200, json=TOKEN)


def guarded_reply(request: httpx.Request) -> httpx.Response:
    """What a guarded route answers: a challenge, unless the elevated token comes."""
    if request.headers["authorization"] == "DPoP ELEVATED-SECRET":
        return httpx.Response(200, json={"sent": True})
    problem = {"type": "urn:upstile:problem:x", "title": "t", "status": 401, "detail": "Pay\u202e \x07ACME"}
    return httpx.Response(401, headers={"www-authenticate": CHALLENGE}, json=problem)


def client(person: Any = None, **options: Any) -> Client:
    """The app's client, with a person who knows the code."""
    chosen: dict[str, Any] = {
        "client_id": "cli",
        "token": "BASE-SECRET",
        "methods": [Totp()],
        "prompter": person or ScriptedPrompter(["123456"]),
        "clock": lambda: 1_800_000_000.0,
    }
    if current() is not HTTPX:  # respx knows httpx alone
        chosen["transport"] = current().carried(Mocked())
    made: Client = current().clients.Client(API, **{**chosen, **options})
    return made


class Mocked(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Where respx answers."""

    def __init__(self) -> None:
        trust = SSLContext(PROTOCOL_TLS_CLIENT)
        self._sync, self._async = httpx.HTTPTransport(verify=trust), httpx.AsyncHTTPTransport(verify=trust)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Read the body, send it on."""
        assert isinstance(request.stream, Iterable)
        return self._sync.handle_request(_whole(request, b"".join(request.stream)))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The same for asyncio."""
        assert isinstance(request.stream, AsyncIterable)
        body = b"".join([chunk async for chunk in request.stream])
        return await self._async.handle_async_request(_whole(request, body))


def _whole(request: httpx.Request, body: bytes) -> httpx.Request:
    return httpx.Request(request.method, request.url, headers=request.headers, content=body)
