"""Servers that answer with anything: each call ends in its response or a typed error, and nothing leaks on the way."""

import json
from collections.abc import Callable
from typing import Any
from unicodedata import category

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from upstile.client import Client, StepUpError, Totp, WebAuthn
from upstile.client.testing import ScriptedPrompter, VirtualKey
from upstile.protocol import base64url_encode, bound_challenge

API = "https://api.example.com"
NOW = 1_800_000_000
SECRETS = ("BASE-SECRET", "ELEVATED-SECRET", "CODE-SECRET", "SESSION-SECRET")
ASKED = f'error="insufficient_user_authentication", acr_values="mfa", max_age=300, resource_metadata="{API}/resource"'

anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["\x1b[2J\u202e", "\ud800", "https://evil.example/x", "https://api.example.com@evil.example/", "https://[", {}]
    ),
    st.lists(st.sampled_from(["totp", {"method": "totp"}, {"method": "webauthn"}, None]), max_size=3),
)
bodies = st.sampled_from([b"", b"{", b"[" * 100_000, b'{"a":1,"a":1}', b"\xff", b"null", b"x" * 70_000])
statuses = st.sampled_from([200, 204, 302, 400, 401, 403, 404, 429, 500])
headers = st.sampled_from(
    [
        ("dpop-nonce", "x"),
        ("dpop-nonce", "é"),
        ("retry-after", "0"),
        ("retry-after", "9" * 5000),
        ("content-encoding", "br"),
        ("location", "https://evil.example/"),
    ]
)


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[str, Callable[[int, Any], httpx.Response]]:
    """One of the exchanges, and what it is answered instead."""
    place = draw(st.sampled_from(["challenge", "resource", "server", "step", "code", "token", "repeat"]))
    how = draw(st.sampled_from(["member", "member", "member", "body", "status"]))
    status, body, value = draw(statuses), draw(bodies), draw(anything)
    extra, at, gone = draw(st.lists(headers, max_size=1)), draw(st.integers(0, 30)), draw(st.booleans())

    def respond(right_status: int, right: Any) -> httpx.Response:
        content = body if how == "body" else json.dumps(_spoil(right, at, value, gone) if how == "member" else right)
        code = status if how == "status" else right_status
        raw = [(name.encode(), text.encode()) for name, text in extra]
        return httpx.Response(code, headers=raw, stream=httpx.ByteStream(_octets(content)))

    return place, respond


def _octets(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode()


def _spoil(document: Any, at: int, value: Any, gone: bool) -> Any:
    """Another value, or nothing, at one place of a document."""
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> Any:
        if not isinstance(node, dict | list):
            return node
        copied = dict(node) if isinstance(node, dict) else list(node)
        for key in list(copied) if isinstance(copied, dict) else range(len(copied)):
            copied[key] = walk(copied[key])
            places.append((copied, key))
        return copied

    whole = walk(document)
    holder, key = places[at % len(places)]
    if gone and isinstance(holder, dict):
        del holder[key]
    else:
        holder[key] = value
    return whole


class Hostile:
    """An API and its authorization server, of which one exchange goes wrong."""

    def __init__(self, place: str, respond: Callable[[int, Any], httpx.Response]) -> None:
        self.place, self.respond = place, respond
        self.requests: list[httpx.Request] = []
        self.jkt = ""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path
        if path == "/transfers":
            elevated = request.headers["authorization"].endswith("ELEVATED-SECRET")
            if elevated:
                return self._reply("repeat", 200, {"sent": True})
            problem = {"type": "x", "title": "t", "status": 401, "detail": "why", "instance": "urn:uuid:1"}
            reply = self._reply("challenge", 401, problem)
            reply.headers["www-authenticate"] = f"Bearer {ASKED}"
            return reply
        if path == "/resource":
            return self._reply("resource", 200, {"resource": API, "authorization_servers": [API]})
        if path == "/.well-known/oauth-authorization-server":
            endpoints = {"authorization_challenge_endpoint": f"{API}/challenge", "token_endpoint": f"{API}/token"}
            return self._reply("server", 200, {"issuer": API, **endpoints})
        if path == "/token":
            token = {"access_token": "ELEVATED-SECRET", "token_type": "DPoP", "expires_in": 300, "acr": "mfa"}
            return self._reply("token", 200, {**token, "auth_time": NOW, "scope": ""})
        if b"auth_session" in request.content:
            return self._reply("code", 200, {"authorization_code": "CODE-SECRET"})
        return self._reply("step", 403, self._step())

    def _step(self) -> dict[str, Any]:
        nonce = base64url_encode(bytes(32))
        bound = bound_challenge(nonce=nonce, iss=API, client_id="cli", jkt=self.jkt, resource=API)
        options = {"challenge": base64url_encode(bound), "rpId": "api.example.com", "userVerification": "required"}
        offers = [{"method": "webauthn", "nonce": nonce, "options": {**options, "allowCredentials": []}}]
        step = {"error": "insufficient_authorization", "auth_session": "SESSION-SECRET", "expires_in": 300}
        return {**step, "attempts_left": 5, "account": "a", "authn_methods": [{"method": "totp"}, *offers]}

    def _reply(self, place: str, status: int, right: Any) -> httpx.Response:
        return self.respond(status, right) if place == self.place else httpx.Response(status, json=right)


@settings(max_examples=300, deadline=None)
@given(spoilt(), st.booleans())
def test_a_call_ends_in_a_response_or_a_typed_error(
    wrong: tuple[str, Callable[[int, Any], httpx.Response]], with_key: bool
) -> None:
    server = Hostile(*wrong)
    methods = [WebAuthn(lambda: [VirtualKey()]), Totp()] if with_key else [Totp()]
    person = ScriptedPrompter(["123456"] * 12)
    options: dict[str, Any] = {"token": "BASE-SECRET", "methods": methods, "prompter": person, "human_timeout": 5}
    with Client(API, client_id="cli", transport=httpx.MockTransport(server), clock=lambda: NOW, **options) as bank:
        server.jkt = bank.step_up_auth.session.key.thumbprint
        try:
            bank.post("/transfers", json={}).status_code.bit_count()
        except httpx.DecodingError:
            pass  # the call's own response is httpx's to read
        except StepUpError as error:
            said = f"{error} {error.diagnostics()} {error.hint} {error!r}"
            assert all(category(character) not in ("Cc", "Cf", "Cs") for character in said)
            assert not any(secret in said for secret in SECRETS)
    assert all(str(request.url).startswith(f"{API}/") for request in server.requests)
    assert len(server.requests) <= 40
