"""What is not believed: documents and addresses that point elsewhere, other origins, replies that make no sense."""

from gzip import compress
from typing import Any

import httpx
import pytest
import respx

from support.libraries import current
from support.mocked_api import API, client
from upstile.client import BaseToken, CeremonyFailed, StepUpError, UntrustedChallenge
from upstile.client.testing import ScriptedPrompter

pytestmark = pytest.mark.usefixtures("library")


@pytest.mark.requirement("rfc9728-3.3-resource")
@pytest.mark.requirement("rfc8414-3.3-issuer")
@pytest.mark.parametrize(
    "documents",
    [
        {"resource": {"resource": "https://other.example", "authorization_servers": [API]}},
        {"resource": {"resource": API, "authorization_servers": ["https://evil.example"]}},
        {"metadata": {"issuer": "https://evil.example"}},
        {
            "metadata": {
                "issuer": API,
                "authorization_challenge_endpoint": "https://evil.example/c",
                "token_endpoint": f"{API}/t",
            }
        },
    ],
)
def test_documents_that_point_elsewhere_end_the_call_before_anybody_is_asked(
    server: respx.MockRouter, documents: dict[str, Any]
) -> None:
    for name, document in documents.items():
        server[name].respond(json=document)
    person = ScriptedPrompter(["123456"])
    with client(person) as bank, pytest.raises(UntrustedChallenge) as caught:
        bank.post("/transfers")
    assert person.occasions == []
    assert server["challenge"].call_count == 0
    assert "Do not go on" in caught.value.diagnostics()
    assert any(why in caught.value.hint for why in ("issuer=", "address that", "on another origin"))


@pytest.mark.parametrize(
    "named",
    [
        f"{API}\t.evil.example/",
        "https://api.exam\tple.com/.well-known/oauth-protected-resource",
        "https://ada@api.example.com/",
        "https://api.example.com\\@evil.example/",
        "https://[",
        "",
        "https://evil.example/.well-known/oauth-protected-resource",
    ],
)
def test_metadata_at_another_address_or_at_none_is_not_fetched(server: respx.MockRouter, named: str) -> None:
    written = named.replace("\\", "\\\\")
    challenge = f'Bearer error="insufficient_user_authentication", acr_values="mfa", resource_metadata="{written}"'
    server["transfers"].mock(side_effect=lambda request: httpx.Response(401, headers={"www-authenticate": challenge}))
    person = ScriptedPrompter(["123456"])
    with client(person) as bank, pytest.raises(UntrustedChallenge):
        bank.post("/transfers")
    assert person.occasions == []
    assert server["resource"].call_count == 0


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(500, text="oops"),
        httpx.Response(200, text="not json"),
        httpx.Response(403, json={"error": "insufficient_authorization"}),
        httpx.Response(403, json={"error": "redirect_to_web", "request_uri": "urn:x"}),
        httpx.Response(400, json={"error": "invalid_grant"}),
        httpx.Response(429, json={"error": "temporarily_locked"}, headers={"retry-after": "30"}),
        httpx.Response(302, headers={"location": "https://evil.example"}),
        httpx.Response(429, json={"error": "slow_down"}, headers={"retry-after": "9" * 5000}),
        httpx.Response(400, json={"error": "invalid_dpop_proof"}, headers={"date": "Mon, 01 Jan 0001 00:00:00 +2300"}),
    ],
)
def test_a_reply_that_makes_no_sense_is_one_typed_error(server: respx.MockRouter, reply: httpx.Response) -> None:
    server["challenge"].mock(side_effect=lambda request: reply)
    with client() as bank, pytest.raises(StepUpError) as caught:
        bank.post("/transfers")
    assert caught.value.code == "ceremony_failed"
    assert caught.value.diagnostics().count(".") >= 2


def test_an_encoded_reply_is_not_unfolded(server: respx.MockRouter) -> None:
    bomb = compress(b" " * 10_000_000 + b"{}")
    server["challenge"].mock(
        side_effect=lambda request: httpx.Response(
            403, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(bomb)
        )
    )
    with client() as bank, pytest.raises(CeremonyFailed):
        bank.post("/transfers")
    assert server["challenge"].calls[0].request.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com.evil.example/",
        "https://api.example.com@evil.example/",
        "https://evil.example/?https://api.example.com",
        "http://api.example.com/",
        "https://api.example.com:444/",
    ],
)
def test_no_other_origin_gets_the_token(server: respx.MockRouter, url: str) -> None:
    route = server.get(url__startswith="http").respond(200)
    with client() as bank:
        bank.get(url)
    assert all(not call.request.headers.get("authorization", "").endswith("SECRET") for call in route.calls)
    assert all("dpop" not in call.request.headers for call in route.calls)


def test_a_sign_in_is_not_carried_elsewhere(server: respx.MockRouter) -> None:
    server.post(f"{API}/login").respond(307, headers={"location": "https://evil.example/login"})
    evil = server.post("https://evil.example/login").respond(json={"access_token": "EVIL", "token_type": "Bearer"})
    with client(follow_redirects=True) as bank, pytest.raises(CeremonyFailed, match="redirected"):
        bank.sign_in("/login", json={"password": "secret"}, headers=None)
    assert not evil.calls


def test_hooks_of_the_app_do_not_take_the_guard_of_redirects_away(server: respx.MockRouter) -> None:
    server.get(f"{API}/me").respond(307, headers={"location": "https://evil.example/me"})
    evil = server.get("https://evil.example/me").respond(200)
    with client(follow_redirects=True, token=BaseToken(access_token="B", token_type="DPoP")) as bank:
        bank.event_hooks = {"request": [], "response": []}
        bank.get("/me")
    assert "dpop" not in evil.calls.last.request.headers
    assert "authorization" not in evil.calls.last.request.headers


def test_a_sign_in_whose_proof_is_refused_names_the_address_and_any_other_refusal_is_the_apis_own(
    server: respx.MockRouter,
) -> None:
    refusal = {"error": "invalid_dpop_proof", "error_description": "htu is not the URL of this request"}
    server.post(f"{API}/login").mock(
        side_effect=[httpx.Response(400, json=refusal), httpx.Response(400, json={"error": "invalid_grant"})]
    )
    with client() as bank:
        with pytest.raises(CeremonyFailed, match="htu is not the URL") as caught:
            bank.sign_in("/login")
        assert f"{API}/login" in caught.value.diagnostics()
        with pytest.raises(current().http.HTTPStatusError):
            bank.sign_in("/login")
