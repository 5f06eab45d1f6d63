"""The httpx adapter with respx: what goes out, what is read, what is left alone."""

import httpx
import pytest
import respx

from support.mocked_api import API, client
from upstile.client import BaseToken, StepUpError
from upstile.client.testing import ScriptedPrompter

pytestmark = pytest.mark.usefixtures("library")


def test_a_bearer_base_token_ends_in_a_bound_one(server: respx.MockRouter) -> None:
    with client() as bank:
        assert bank.post("/transfers", json={"to": "x"}).json() == {"sent": True}
    first, second = (call.request for call in server["transfers"].calls)
    assert first.headers["authorization"] == "Bearer BASE-SECRET"
    assert "dpop" not in first.headers
    assert second.headers["authorization"] == "DPoP ELEVATED-SECRET"
    assert "dpop" in second.headers
    assert first.content == second.content == b'{"to":"x"}'


def test_an_idempotency_key_goes_with_the_repeat(server: respx.MockRouter) -> None:
    with client() as bank:
        bank.post("/transfers", json={}, headers={"Idempotency-Key": "one"})
    assert [call.request.headers["idempotency-key"] for call in server["transfers"].calls] == ["one", "one"]


def test_the_forms_say_what_the_profile_asks_for(server: respx.MockRouter) -> None:
    with client() as bank:
        bank.post("/transfers")
    start, answer = (dict(httpx.QueryParams(call.request.content.decode())) for call in server["challenge"].calls)
    assert (start["acr_values"], start["max_age"], start["resource"]) == ("mfa", "300", API)
    assert (start["subject_token"], start["authn_methods_supported"]) == ("BASE-SECRET", "totp")
    assert answer == {
        "client_id": "cli",
        "auth_session": "SESSION-SECRET",
        "authn_method": "totp",
        "otp": "123456",
    }
    token = dict(httpx.QueryParams(server["token"].calls[0].request.content.decode()))
    assert token["grant_type"] == "authorization_code"
    assert "redirect_uri" not in token
    assert all("authorization" not in call.request.headers for call in server["challenge"].calls)


def test_words_of_others_are_made_harmless(server: respx.MockRouter) -> None:
    person = ScriptedPrompter(["123456"])
    with client(person) as bank:
        bank.post("/transfers")
    (occasion,) = person.occasions
    assert (occasion.reason, occasion.account) == ("Pay ACME", "ad [31m••@example.com")
    assert (occasion.server, occasion.app) == (API, "cli")


def test_a_proof_that_is_refused_for_a_wrong_clock_says_so(server: respx.MockRouter) -> None:
    headers = {"www-authenticate": 'DPoP error="invalid_dpop_proof"', "date": "Fri, 15 Jan 2027 09:00:00 GMT"}
    server.get(f"{API}/me").respond(401, headers=headers)
    with client(token=BaseToken(access_token="B", token_type="DPoP")) as bank, pytest.raises(StepUpError) as caught:
        bank.get("/me")
    assert "clock is 3600 seconds behind" in caught.value.diagnostics()


def test_a_401_without_a_challenge_of_ours_is_the_callers_own(server: respx.MockRouter) -> None:
    server["transfers"].mock(
        side_effect=lambda request: httpx.Response(401, headers={"www-authenticate": 'Basic realm="bank"'}, text="no")
    )
    with client() as bank:
        reply = bank.post("/transfers")
    assert (reply.status_code, reply.text) == (401, "no")


def test_the_apps_own_authorization_elsewhere_is_its_own(server: respx.MockRouter) -> None:
    elsewhere = server.get("https://other.example/x").respond(200)
    with client() as bank:
        bank.get("https://other.example/x", headers={"Authorization": "Basic mine"})
    assert elsewhere.calls.last.request.headers["authorization"] == "Basic mine"
