"""An API and its authorization server as one transport of httpx: what is sent is noted, each reply can be replaced.

Bodies are read from the stream, as a socket reads them: `httpx.MockTransport` would keep them, and so hide that some
cannot be read twice.
"""

from collections import defaultdict
from collections.abc import AsyncIterable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from support.libraries import current
from upstile.client import AsyncClient, BaseToken, Client, Totp
from upstile.client.testing import Clock, ScriptedPrompter
from upstile.protocol import base64url_decode, base64url_encode, bound_challenge, json_object, jwk_thumbprint

API = "https://api.example.com"
ELSEWHERE = "https://elsewhere.example"
NOW = 1_800_000_000
CHALLENGE = (
    'DPoP error="insufficient_user_authentication", acr_values="mfa", max_age=300, algs="ES256", '
    f'resource_metadata="{API}/.well-known/oauth-protected-resource"'
)
NONCE = base64url_encode(bytes(32))
_PLACES = {
    "/.well-known/oauth-protected-resource": "resource",
    "/.well-known/oauth-authorization-server": "server",
    "/token": "token",
    "/revoke": "revoke",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """A request as it went out.

    Attributes:
        place: `resource` and `server` (metadata), `start`, `answer`, `token`, `revoke`, `call`, `elsewhere`
            (another origin).
    """

    place: str
    method: str
    url: str
    headers: httpx.Headers
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """The body as a form."""
        return dict(httpx.QueryParams(self.body.decode()))

    @property
    def proof(self) -> dict[str, Any]:
        """What the DPoP proof says."""
        return json_object(base64url_decode(self.headers["dpop"].split(".")[1]))

    @property
    def jkt(self) -> str:
        """The thumbprint of the key of the DPoP proof."""
        return jwk_thumbprint(json_object(base64url_decode(self.headers["dpop"].split(".")[0]))["jwk"])


Answer = Callable[[Sent], httpx.Response]
Reply = httpx.Response | Exception


class Desk(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """The transport.

    Attributes:
        sent: all requests in their order.
        person: who is asked.
        clock, monotonic: the time of the client.
        token: the token response, except for the token: `ELEVATED-1`, `ELEVATED-2` ...
        offers: what a step offers to the one who sent the request.
    """

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.person = ScriptedPrompter(lambda: "123456", pin="1234")
        self.clock = Clock(NOW)
        self.monotonic = Clock(1000)
        self.token: dict[str, Any] = {"expires_in": 300, "scope": "", "acr": "mfa", "auth_time": NOW}
        self.offers: Callable[[Sent], list[dict[str, Any]]] = lambda sent: [{"method": "totp"}]
        self._first: dict[str, list[Reply]] = defaultdict(list)
        self._always: dict[str, Answer] = {}

    def client(self, **options: Any) -> Client:
        """A client with a bound base token, on the library that the test is for."""
        client: Client = current().clients.Client(API, **self._options(options))
        return client

    def async_client(self, **options: Any) -> AsyncClient:
        """The same for asyncio."""
        client: AsyncClient = current().clients.AsyncClient(API, **self._options(options))
        return client

    def first(self, place: str, *replies: Reply) -> None:
        """Answer the next requests to a place with these; an exception means that the connection breaks."""
        self._first[place].extend(replies)

    def always(self, place: str, answer: Answer) -> None:
        """Answer all requests to a place with this."""
        self._always[place] = answer

    def at(self, place: str) -> list[Sent]:
        """What was sent to a place."""
        return [sent for sent in self.sent if sent.place == place]

    @property
    def asked(self) -> bool:
        """Whether the person was asked for anything."""
        return bool(self.person.occasions or self.person.labels)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Read the body, answer."""
        assert isinstance(request.stream, Iterable)
        return self._handle(request, b"".join(request.stream))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The same for asyncio."""
        assert isinstance(request.stream, AsyncIterable)
        return self._handle(request, b"".join([chunk async for chunk in request.stream]))

    def _options(self, changed: dict[str, Any]) -> dict[str, Any]:
        options: dict[str, Any] = {
            "client_id": "cli",
            "token": BaseToken(access_token="BASE-SECRET", token_type="DPoP"),
            "methods": [Totp()],
            "prompter": self.person,
            "clock": self.clock,
            "monotonic": self.monotonic,
            "transport": self,
            **changed,
        }
        return {**options, "transport": current().carried(options["transport"])}

    def _handle(self, request: httpx.Request, body: bytes) -> httpx.Response:
        sent = Sent(
            place=_place(request, body),
            method=request.method,
            url=str(request.url),
            headers=request.headers.copy(),
            body=body,
        )
        self.sent.append(sent)
        if self._first[sent.place]:
            reply = self._first[sent.place].pop(0)
            if isinstance(reply, Exception):
                raise reply
            return reply
        answer = self._always.get(sent.place)
        return answer(sent) if answer is not None else getattr(self, f"_{sent.place}")(sent)

    def _call(self, sent: Sent) -> httpx.Response:
        if "ELEVATED" in sent.headers.get("authorization", ""):
            return httpx.Response(200, json={"done": True})
        return challenged()

    def _elsewhere(self, sent: Sent) -> httpx.Response:
        return httpx.Response(200, text="elsewhere")

    def _resource(self, sent: Sent) -> httpx.Response:
        return httpx.Response(200, json={"resource": API, "authorization_servers": [API]})

    def _server(self, sent: Sent) -> httpx.Response:
        return httpx.Response(200, json=server_metadata())

    def _start(self, sent: Sent) -> httpx.Response:
        return self.step(sent)

    def _answer(self, sent: Sent) -> httpx.Response:
        return httpx.Response(200, json={"authorization_code": "CODE-SECRET"})

    def _token(self, sent: Sent) -> httpx.Response:
        name = f"ELEVATED-{len(self.at('token'))}"
        return httpx.Response(200, json={"access_token": name, "token_type": "DPoP", **self.token})

    def _revoke(self, sent: Sent) -> httpx.Response:
        return httpx.Response(200)

    def step(self, sent: Sent, **beside: Any) -> httpx.Response:
        """A step for the one who sent this."""
        step: dict[str, Any] = {
            "error": "insufficient_authorization",
            "auth_session": f"SESSION-SECRET-{len(self.sent)}",
        }
        step |= {"expires_in": 300, "attempts_left": 4, "authn_methods": self.offers(sent)}
        return httpx.Response(403, json={**step, **beside})


def challenged(challenge: str = CHALLENGE, **response: Any) -> httpx.Response:
    """A 401 with a step-up challenge."""
    return httpx.Response(401, headers={"www-authenticate": challenge}, **response)


def server_metadata(**changed: Any) -> dict[str, Any]:
    """The metadata of the authorization server."""
    endpoints = {"authorization_challenge_endpoint": f"{API}/challenge", "token_endpoint": f"{API}/token"}
    return {"issuer": API, "dpop_signing_alg_values_supported": ["ES256"], **endpoints, **changed}


def webauthn_offer(
    sent: Sent,
    *allowed: bytes,
    verification: str = "required",
    nonce: str | None = NONCE,
    made_of: str = NONCE,
    **bound: Any,
) -> dict[str, Any]:
    """An offer whose challenge is bound to the one who sent this, except for what is given in `bound`.

    It names `nonce`, and its challenge is made of the nonce `made_of`.
    """
    right = {"nonce": made_of, "iss": API, "client_id": "cli", "jkt": sent.jkt, "resource": API}
    options = {
        "challenge": base64url_encode(bound_challenge(**{**right, **bound})),
        "rpId": "api.example.com",
        "allowCredentials": [{"type": "public-key", "id": base64url_encode(id)} for id in allowed],
        "userVerification": verification,
    }
    return {"method": "webauthn", "options": options, **({} if nonce is None else {"nonce": nonce})}


def _place(request: httpx.Request, body: bytes) -> str:
    if not str(request.url).startswith(f"{API}/"):
        return "elsewhere"
    if request.url.path == "/challenge":
        return "start" if b"response_type" in body else "answer"
    return _PLACES.get(request.url.path, "call")
