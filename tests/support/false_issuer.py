"""An identity provider that does what it is told, the wrong things too, and the API that takes its tokens.

Its `opens` is for `Browser(opens=)`: the person is there at once, and comes back over a real connection.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_urlsafe
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import jwt

from upstile.client import BaseToken, Browser, CallbackPrompter, Client
from upstile.client.testing import Clock
from upstile.protocol import base64url_encode, code_challenge

API, ISSUER = "https://api.example", "https://issuer.example"
NOW = 1_800_000_000
Params = dict[str, str]
_KEY = "-" * 32


@dataclass
class FalseIssuer:
    """What it is, and what happened.

    Attributes:
        metadata: changes to its metadata.
        person: who is signed in in the browser.
        claims: changes to what the ID token says; `None` leaves one out.
        response: changes to the token response.
        answers: what the browser brings back for a request; `None` for a browser that never does.
        asked: the authorization requests.
        pushed, redeemed, refreshed, revoked: the forms that came.
        calls: the tokens that came to the API.
        shown: the addresses that the person was shown.
    """

    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    person: str = "ada"
    claims: dict[str, Any] = field(default_factory=dict[str, Any])
    response: dict[str, Any] = field(default_factory=dict[str, Any])
    answers: Callable[[Params], Params | None] | None = None
    asked: list[Params] = field(default_factory=list[Params])
    pushed: list[Params] = field(default_factory=list[Params])
    redeemed: list[Params] = field(default_factory=list[Params])
    refreshed: list[Params] = field(default_factory=list[Params])
    revoked: list[Params] = field(default_factory=list[Params])
    calls: list[str | None] = field(default_factory=list[str | None])
    shown: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])
    good: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    codes: dict[str, Params] = field(default_factory=dict[str, Params])
    refresh_token: str | None = None
    resource: dict[str, Any] = field(default_factory=dict[str, Any])
    judge: Callable[[httpx.Request], httpx.Response | None] | None = None
    clock: Clock = field(default_factory=lambda: Clock(NOW))

    def client(self, **options: Any) -> Client:
        """A client of the API; the base token is ada's."""
        options = {"browser": Browser(opens=self.opens), "token": self.base(), **options}
        prompter = CallbackPrompter(show_page=lambda url, opened: self.shown.append((url, opened)))
        given = {"prompter": prompter, "clock": self.clock, "human_timeout": 5.0, **options}
        return Client(API, client_id="cli", issuer=ISSUER, transport=httpx.MockTransport(self.handle), **given)

    def base(self, subject: str | None = "ada") -> BaseToken:
        """A base token that the app brings."""
        return BaseToken(access_token=self.issue(acr="pwd"), subject=subject)

    def issue(self, **claims: Any) -> str:
        """A token that the API takes."""
        token = token_urlsafe(8)
        self.good[token] = claims
        return token

    def opens(self, url: str) -> None:
        """The person is there."""
        query = dict(parse_qsl(urlsplit(url).query))
        params = self.pushed[-1] if "request_uri" in query else query
        self.asked.append(params)
        answer = self.good_answer(params) if self.answers is None else self.answers(params)
        if answer is not None:
            Thread(target=self.comes_back, args=(params, answer), daemon=True).start()

    def good_answer(self, params: Params) -> Params:
        """A code, for whoever asked."""
        code = token_urlsafe(8)
        self.codes[code] = params
        return {"code": code, "state": params["state"], "iss": ISSUER}

    def comes_back(self, params: Params, answer: Params) -> httpx.Response:
        """What the app's page says to an answer."""
        return httpx.get(f"{params['redirect_uri']}?{urlencode(answer)}")

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Whatever is sent to either."""
        if request.url.host == "api.example":
            return self._api(request)
        form = dict(parse_qsl(request.content.decode()))
        if request.url.path == "/par":
            self.pushed.append(form)
            return httpx.Response(201, json={"request_uri": "urn:r:1", "expires_in": 60})
        if request.url.path == "/token":
            return self._refreshed(form) if form["grant_type"] == "refresh_token" else self._redeemed(form)
        if request.url.path == "/revoke":
            self.revoked.append(form)
            return httpx.Response(200)
        if request.url.path == "/.well-known/openid-configuration":
            return httpx.Response(200, json=self._metadata())
        return httpx.Response(404)

    def _metadata(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/auth",
            "token_endpoint": f"{ISSUER}/token",
            "revocation_endpoint": f"{ISSUER}/revoke",
            "end_session_endpoint": f"{ISSUER}/end",
            "authorization_response_iss_parameter_supported": True,
            **self.metadata,
        }
        return {name: value for name, value in told.items() if value is not None}

    def _api(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/.well-known/oauth-protected-resource":
            return httpx.Response(200, json={"resource": API, "authorization_servers": [ISSUER], **self.resource})
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        self.calls.append(token or None)
        if not token:
            return httpx.Response(401, headers={"www-authenticate": "Bearer"})
        if token not in self.good:
            return httpx.Response(401, headers={"www-authenticate": f'{scheme or "Bearer"} error="invalid_token"'})
        told = self.judge(request) if self.judge is not None else None
        wanted = dict(request.url.params).get("acr")
        if told is not None or wanted is None or self.good[token].get("acr") in wanted.split():
            return told or httpx.Response(200)
        challenge = f'{scheme} error="insufficient_user_authentication", acr_values="{wanted}"'
        return httpx.Response(401, headers={"www-authenticate": challenge})

    def _redeemed(self, form: Params) -> httpx.Response:
        self.redeemed.append(form)
        params = self.codes.pop(form["code"], None)
        if params is None or code_challenge(form["code_verifier"]) != params["code_challenge"]:
            return httpx.Response(400, json={"error": "invalid_grant"})
        asked = params.get("acr_values", "pwd")
        claims = {
            "iss": ISSUER,
            "sub": self.person,
            "aud": "cli",
            "iat": self.clock(),
            "exp": self.clock() + 300,
            "nonce": params["nonce"],
            "acr": asked,
            "auth_time": self.clock(),
            **self.claims,
        }
        told = {name: value for name, value in claims.items() if value is not None}
        head, *rest = jwt.encode(told, _KEY, headers={"typ": "JWT"}).split(".")
        head = base64url_encode(b'{"alg":"RS256"}')
        token = self.issue(acr=told.get("acr"))
        given = {"access_token": token, "token_type": "Bearer", "expires_in": 300, "id_token": ".".join([head, *rest])}
        return httpx.Response(200, json={**given, **self.response})

    def _refreshed(self, form: Params) -> httpx.Response:
        self.refreshed.append(form)
        if form["refresh_token"] != self.refresh_token:
            return httpx.Response(400, json={"error": "invalid_grant"})
        self.refresh_token = token_urlsafe(8)
        token = self.issue(acr="pwd")
        given = {"access_token": token, "token_type": "Bearer", "expires_in": 300, "refresh_token": self.refresh_token}
        return httpx.Response(200, json=given)
