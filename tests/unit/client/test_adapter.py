"""The httpx adapter with respx: what goes out, what is read, what is left alone."""

import json
import logging
import re
import threading
from collections.abc import Iterator
from gzip import compress
from typing import Any

import httpx
import pytest
import respx

from upstile.client import (
    BaseToken,
    CallbackPrompter,
    CeremonyFailed,
    Client,
    Event,
    Requirement,
    StepUpAuth,
    StepUpCancelled,
    StepUpError,
    StepUpTimeout,
    StepUpUnsatisfied,
    Totp,
    UntrustedChallenge,
    WebAuthn,
)
from upstile.client.testing import ScriptedPrompter, VirtualKey
from upstile.protocol import base64url_decode, parse_form

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


@pytest.fixture
def server() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        router.get(f"{API}/.well-known/oauth-protected-resource", name="resource").respond(
            json={"resource": API, "authorization_servers": [API]}
        )
        router.get(f"{API}/.well-known/oauth-authorization-server", name="metadata").respond(
            json={
                "issuer": API,
                "authorization_challenge_endpoint": f"{API}/challenge",
                "token_endpoint": f"{API}/token",
            }
        )
        router.post(f"{API}/challenge", name="challenge").mock(side_effect=[STEPPED, CODED])
        router.post(f"{API}/token", name="token").respond(json=TOKEN)
        router.post(f"{API}/transfers", name="transfers").mock(side_effect=_guarded)
        yield router


def _guarded(request: httpx.Request) -> httpx.Response:
    if request.headers["authorization"] == "DPoP ELEVATED-SECRET":
        return httpx.Response(200, json={"sent": True})
    problem = {"type": "urn:upstile:problem:x", "title": "t", "status": 401, "detail": "Pay\u202e \x07ACME"}
    return httpx.Response(401, headers={"www-authenticate": CHALLENGE}, json=problem)


def client(person: Any = None, **options: Any) -> Client:
    chosen: dict[str, Any] = {
        "client_id": "cli",
        "token": "BASE-SECRET",
        "methods": [Totp()],
        "prompter": person or ScriptedPrompter(["123456"]),
        "clock": lambda: 1_800_000_000.0,
    }
    return Client(API, **{**chosen, **options})


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


def test_no_secret_is_logged_shown_or_reported(server: respx.MockRouter, caplog: pytest.LogCaptureFixture) -> None:
    events: list[Event] = []
    with caplog.at_level(logging.DEBUG, logger="upstile"), client(on_event=events.append) as bank:
        bank.post("/transfers")
        session = bank.step_up_auth.session
        shown = " ".join(
            [repr(session), repr(bank.step_up_auth), repr(session.tokens.base()), str(events), caplog.text]
        )
        shown += repr(session.tokens.find(events[0].requirement, API))
    assert [event.kind for event in events] == ["challenged", "started", "succeeded", "repeated"]
    for secret in ("BASE-SECRET", "ELEVATED-SECRET", "SESSION-SECRET", "CODE-SECRET", "123456"):
        assert secret not in shown


def test_a_failing_hook_changes_nothing(server: respx.MockRouter) -> None:
    def broken(event: Event) -> None:
        raise RuntimeError("the app's own")

    with client(on_event=broken) as bank:
        assert bank.post("/transfers").status_code == 200


def test_a_prompter_that_breaks_is_the_calls_error_not_a_hang(server: respx.MockRouter) -> None:
    def broken(label: str) -> str:
        raise RuntimeError("the app's own")

    with client(CallbackPrompter(code=broken)) as bank, pytest.raises(RuntimeError, match="the app's own"):
        bank.post("/transfers")


def test_a_prompter_that_never_returns_holds_nobody_up(server: respx.MockRouter) -> None:
    stuck = threading.Event()

    def code(label: str) -> str:
        stuck.wait(30)
        return "123456"

    with client(CallbackPrompter(code=code), human_timeout=0.05) as bank:
        with pytest.raises(StepUpTimeout):
            bank.post("/transfers")
        bank.step_up_auth.session.prompter = CallbackPrompter()
        server["challenge"].mock(side_effect=lambda request: httpx.Response(403, json=STEP))
        with pytest.raises(StepUpCancelled):
            bank.post("/transfers")
        stuck.set()


def test_a_prompter_that_cannot_ask_cancels(server: respx.MockRouter) -> None:
    with client(CallbackPrompter()) as bank, pytest.raises(StepUpCancelled):
        bank.post("/transfers")
    assert server["transfers"].call_count == 1


def test_what_was_asked_ahead_and_is_refused_is_the_end(server: respx.MockRouter) -> None:
    server["transfers"].mock(side_effect=lambda _: httpx.Response(401, headers={"www-authenticate": CHALLENGE}))
    with client() as bank:
        for step_up in (Requirement(acr="mfa", max_age=300, reason="ours"), None):
            with pytest.raises(StepUpUnsatisfied):
                bank.request("POST", "/transfers", step_up=step_up)
    assert len(server["challenge"].calls) == 2


def test_a_call_may_be_asked_for_two_different_things_and_for_no_third(server: respx.MockRouter) -> None:
    for acr in ("phr", "gold"):
        server["challenge"].mock(side_effect=[STEPPED, CODED, STEPPED, CODED])
        tokens = [{**TOKEN, "access_token": acr, "acr": acr} for acr in ("mfa", "phr")]
        server["token"].mock(side_effect=[httpx.Response(200, json=token) for token in tokens])
        answers = {"Bearer BASE-SECRET": CHALLENGE, "DPoP mfa": CHALLENGE.replace("mfa", "phr")}
        answers |= {"DPoP phr": CHALLENGE.replace("mfa", "gold")} if acr == "gold" else {}

        def guarded(request: httpx.Request, answers: dict[str, str] = answers) -> httpx.Response:
            challenge = answers.get(request.headers["authorization"])
            return httpx.Response(401 if challenge else 200, headers={"www-authenticate": challenge or ""})

        server["transfers"].mock(side_effect=guarded)
        with client(ScriptedPrompter(["1", "2", "3"])) as bank:
            if acr == "phr":
                assert bank.post("/transfers").status_code == 200
            else:
                with pytest.raises(StepUpUnsatisfied):
                    bank.post("/transfers")


def test_the_second_of_two_things_is_not_held_against_the_first(server: respx.MockRouter) -> None:
    server["challenge"].mock(side_effect=[STEPPED, CODED, STEPPED, CODED])
    stronger = CHALLENGE.replace("mfa", "phr")

    def insatiable(request: httpx.Request) -> httpx.Response:
        asked = stronger if "DPoP" in request.headers["authorization"] else CHALLENGE
        return httpx.Response(401, headers={"www-authenticate": asked})

    server["transfers"].mock(side_effect=insatiable)
    server.get(f"{API}/me").mock(side_effect=_guarded)
    with client(ScriptedPrompter(["1", "2"])) as bank:
        with pytest.raises(StepUpUnsatisfied):
            bank.post("/transfers")
        assert bank.get("/me").status_code == 200


def test_a_dead_elevated_token_is_dropped_and_the_call_begins_again(server: respx.MockRouter) -> None:
    server["challenge"].mock(side_effect=[STEPPED, CODED, STEPPED, CODED])
    tokens = [{**TOKEN, "access_token": name} for name in ("DEAD", "ELEVATED-SECRET")]
    server["token"].mock(side_effect=[httpx.Response(200, json=token) for token in tokens])
    dead = httpx.Response(401, headers={"www-authenticate": 'DPoP error="invalid_token"'})
    sent: list[str] = []

    def guarded(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["authorization"])
        if sent[-1] == "DPoP DEAD":
            return dead if sent.count("DPoP DEAD") > 1 else httpx.Response(200)
        return _guarded(request)

    server["transfers"].mock(side_effect=guarded)
    with client(ScriptedPrompter(["1", "2"])) as bank:
        assert bank.post("/transfers").status_code == 200
        assert bank.post("/transfers").status_code == 200
    assert sent == ["Bearer BASE-SECRET", "DPoP DEAD", "DPoP DEAD", "Bearer BASE-SECRET", "DPoP ELEVATED-SECRET"]


def test_what_one_user_proved_serves_no_other(server: respx.MockRouter) -> None:
    server["challenge"].mock(side_effect=[STEPPED, CODED, STEPPED, CODED])
    server.post(f"{API}/login").respond(json={"access_token": "BOB", "token_type": "Bearer"})
    thinking, asked = threading.Event(), threading.Event()

    def code(label: str) -> str:
        asked.set()
        thinking.wait(5)
        return "123456"

    with client(CallbackPrompter(code=code)) as bank:
        waiting = threading.Thread(target=lambda: bank.post("/transfers"))
        waiting.start()
        asked.wait(5)
        bank.sign_in("/login")  # in the middle of Ada's ceremony
        thinking.set()
        waiting.join(5)
        bank.post("/transfers")
    subjects = [parse_form(call.request.content).get("subject_token") for call in server["challenge"].calls]
    assert [subject for subject in subjects if subject] == ["BASE-SECRET", "BOB"]


def test_a_callable_that_returns_another_user_says_so(server: respx.MockRouter) -> None:
    server["challenge"].mock(side_effect=[STEPPED, CODED, STEPPED, CODED])
    who = ["ada"]
    person = ScriptedPrompter(["1", "2"])
    with client(person, token=lambda: BaseToken(access_token=f"T-{who[0]}", subject=who[0])) as bank:
        bank.post("/transfers")
        bank.post("/transfers")
        who[0] = "bob"
        bank.post("/transfers")
    assert len(person.occasions) == 2


@pytest.mark.parametrize("second", [CHALLENGE, 'DPoP error="use_dpop_nonce"'])
def test_a_call_that_a_redirect_has_carried_out_is_not_repeated(server: respx.MockRouter, second: str) -> None:
    pay = server.post(f"{API}/pay").respond(303, headers={"location": "/receipt"})
    headers = {"www-authenticate": second, "dpop-nonce": "n"}
    server.get(f"{API}/receipt").respond(401, headers=headers)
    with client(follow_redirects=True) as bank:
        assert bank.post("/pay", json={}).status_code == 401
    assert len(pay.calls) == 1
    assert not server["challenge"].calls


def test_several_calls_that_are_told_the_same_nonce_all_obey(server: respx.MockRouter) -> None:
    together = threading.Barrier(4)
    demand = httpx.Response(401, headers={"www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": "n"})

    def demanding(request: httpx.Request) -> httpx.Response:
        payload = json.loads(base64url_decode(request.headers["dpop"].split(".")[1]))
        if payload.get("nonce") == "n":
            return httpx.Response(200)
        together.wait(5)
        return demand

    server.get(f"{API}/me").mock(side_effect=demanding)
    statuses: list[int] = []
    with client(token=BaseToken(access_token="B", token_type="DPoP")) as bank:
        threads = [threading.Thread(target=lambda: statuses.append(bank.get("/me").status_code)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
    assert statuses == [200] * 4


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


def test_a_proof_that_is_refused_for_a_wrong_clock_says_so(server: respx.MockRouter) -> None:
    headers = {"www-authenticate": 'DPoP error="invalid_dpop_proof"', "date": "Fri, 15 Jan 2027 09:00:00 GMT"}
    server.get(f"{API}/me").respond(401, headers=headers)
    with client(token=BaseToken(access_token="B", token_type="DPoP")) as bank, pytest.raises(StepUpError) as caught:
        bank.get("/me")
    assert "clock is 3600 seconds behind" in caught.value.diagnostics()


def test_a_token_of_an_earlier_ceremony_that_is_refused_is_followed_by_one_for_this_call(
    server: respx.MockRouter,
) -> None:
    server["challenge"].mock(side_effect=[STEPPED, CODED, STEPPED, CODED])
    server["token"].mock(side_effect=[httpx.Response(200, json={**TOKEN, "access_token": "EARLIER"}), TOKENED])
    with client(ScriptedPrompter(["1", "2"])) as bank:
        bank.step_up(acr="mfa")
        assert bank.request("POST", "/transfers", step_up=Requirement(acr="mfa")).status_code == 200


def test_an_api_that_asks_again_is_the_end(server: respx.MockRouter) -> None:
    server["transfers"].mock(side_effect=lambda request: httpx.Response(401, headers={"www-authenticate": CHALLENGE}))
    person = ScriptedPrompter(["123456", "654321"])
    with client(person) as bank, pytest.raises(StepUpUnsatisfied):
        bank.post("/transfers")
    assert len(person.occasions) == 1
    assert server["transfers"].call_count == 2


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
    assert "issuer=" in caught.value.diagnostics()


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


def test_a_401_without_a_challenge_of_ours_is_the_callers_own(server: respx.MockRouter) -> None:
    server["transfers"].mock(
        side_effect=lambda request: httpx.Response(
            401, headers={"www-authenticate": 'Bearer error="invalid_token"'}, text="no"
        )
    )
    with client() as bank:
        reply = bank.post("/transfers")
    assert (reply.status_code, reply.text) == (401, "no")


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com",
        "ftp://api.example.com",
        "api.example.com",
        "http://10.0.0.1",
        "https://ada@api.example.com",
        "https://api.example.com\\@evil.example",
        "https://bücher.example",
    ],
)
def test_an_api_without_https_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        StepUpAuth(url, client_id="cli", token=BaseToken(access_token="t"))


@pytest.mark.requirement("rfc6750-2.1-b64token")
@pytest.mark.parametrize("token", ["", "BASE-SECRET\n", "BASE SECRET", "Bearer BASE-SECRET"])
def test_a_token_that_is_none_is_refused_at_once_and_not_shown(token: str) -> None:
    with pytest.raises(ValueError, match="access token") as caught:
        client(token=token)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "named",
    [
        f"{API}\t.evil.example/",
        "https://api.exam\tple.com/.well-known/oauth-protected-resource",
        "https://ada@api.example.com/",
        "https://api.example.com\\@evil.example/",
        "https://[",
        "",
    ],
)
def test_metadata_at_an_address_that_is_none_is_not_fetched(server: respx.MockRouter, named: str) -> None:
    written = named.replace("\\", "\\\\")
    challenge = f'Bearer error="insufficient_user_authentication", acr_values="mfa", resource_metadata="{written}"'
    server["transfers"].mock(side_effect=lambda request: httpx.Response(401, headers={"www-authenticate": challenge}))
    person = ScriptedPrompter(["123456"])
    with client(person) as bank, pytest.raises(UntrustedChallenge):
        bank.post("/transfers")
    assert person.occasions == []
    assert server["resource"].call_count == 0


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


def test_the_apps_own_authorization_elsewhere_is_its_own(server: respx.MockRouter) -> None:
    elsewhere = server.get("https://other.example/x").respond(200)
    with client() as bank:
        bank.get("https://other.example/x", headers={"Authorization": "Basic mine"})
    assert elsewhere.calls.last.request.headers["authorization"] == "Basic mine"


def test_an_api_on_this_machine_may_do_without() -> None:
    StepUpAuth("http://localhost:8000", client_id="cli").close()


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


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (httpx.Response(201, json={"id": 7}), "cannot be read"),
        (httpx.Response(201, text="<html>"), "cannot be read"),
        (httpx.Response(403, json=["no"]), "refused: status 403"),
        (httpx.Response(403, json={"type": "x", "title": "No\x1b[2J", "status": 403}), "refused: No [2J"),
        (httpx.Response(201, json={"id": "../login", "state": "pending", "options": {}}), "cannot be read"),
    ],
    ids=["members", "html", "no problem", "escape codes", "options"],
)
def test_an_enrolment_that_is_answered_with_nonsense_is_one_typed_error(
    server: respx.MockRouter, reply: httpx.Response, said: str
) -> None:
    server["metadata"].respond(json={"issuer": API, "authenticators_endpoint": f"{API}/authenticators"})
    server.post(f"{API}/authenticators").mock(return_value=reply)
    with client() as bank, pytest.raises(CeremonyFailed, match=re.escape(said)):
        bank.authenticators.enroll(WebAuthn(lambda: [VirtualKey()]), "key")


def test_what_is_not_ours_to_name_stays_within_its_segment(server: respx.MockRouter) -> None:
    server["metadata"].respond(json={"issuer": API, "authenticators_endpoint": f"{API}/authenticators"})
    removed = server.delete(url__startswith=API).respond(204)
    with client() as bank:
        bank.authenticators.remove("../login?x#y")
    assert removed.calls[0].request.url.raw_path == b"/authenticators/..%2Flogin%3Fx%23y"


def test_no_key_at_enrolment_says_so(server: respx.MockRouter) -> None:
    server["metadata"].respond(json={"issuer": API, "authenticators_endpoint": f"{API}/authenticators"})
    options = {"rp": {"id": "api.example.com", "name": "x"}, "challenge": "AAAA", "pubKeyCredParams": []}
    pending = {"id": "a", "state": "pending", "options": {**options, "user": {"id": "AA", "name": "a"}}}
    server.post(f"{API}/authenticators").respond(201, json=pending)
    with client() as bank, pytest.raises(CeremonyFailed, match="no security key"):
        bank.authenticators.enroll(WebAuthn(list), "key")
