"""A call from its challenge to its repeat: how often it is asked for, for whom, and which token serves it."""

import json
import threading

import httpx
import pytest
import respx

from support.desk import Desk
from support.mocked_api import API, CHALLENGE, CODED, STEPPED, TOKEN, TOKENED, client, guarded_reply
from upstile.client import BaseToken, CallbackPrompter, Requirement, StepUpUnsatisfied
from upstile.client.testing import ScriptedPrompter
from upstile.protocol import base64url_decode, parse_form

pytestmark = pytest.mark.usefixtures("library")


def test_what_was_asked_ahead_and_is_refused_is_the_end(server: respx.MockRouter) -> None:
    server["transfers"].mock(side_effect=lambda _: httpx.Response(401, headers={"www-authenticate": CHALLENGE}))
    with client() as bank:
        for step_up in (Requirement(acr="mfa", max_age=300, reason="ours"), None):
            with pytest.raises(StepUpUnsatisfied):
                bank.request("POST", "/transfers", step_up=step_up)
    assert len(server["challenge"].calls) == 2


def test_a_token_of_an_earlier_ceremony_that_is_refused_is_followed_by_one_for_this_call(
    server: respx.MockRouter,
) -> None:
    server["challenge"].mock(side_effect=[STEPPED, CODED, STEPPED, CODED])
    server["token"].mock(side_effect=[httpx.Response(200, json={**TOKEN, "access_token": "EARLIER"}), TOKENED])
    with client(ScriptedPrompter(["111111", "222222"])) as bank:
        bank.step_up(acr="mfa")
        assert bank.request("POST", "/transfers", step_up=Requirement(acr="mfa")).status_code == 200


def test_an_api_that_asks_again_is_the_end(server: respx.MockRouter) -> None:
    server["transfers"].mock(side_effect=lambda request: httpx.Response(401, headers={"www-authenticate": CHALLENGE}))
    person = ScriptedPrompter(["123456", "654321"])
    with client(person) as bank, pytest.raises(StepUpUnsatisfied):
        bank.post("/transfers")
    assert len(person.occasions) == 1
    assert server["transfers"].call_count == 2


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
        with client(ScriptedPrompter(["111111", "222222", "333333"])) as bank:
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
    server.get(f"{API}/me").mock(side_effect=guarded_reply)
    with client(ScriptedPrompter(["111111", "222222"])) as bank:
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
        return guarded_reply(request)

    server["transfers"].mock(side_effect=guarded)
    with client(ScriptedPrompter(["111111", "222222"])) as bank:
        assert bank.post("/transfers").status_code == 200
        assert bank.post("/transfers").status_code == 200
    assert sent == ["Bearer BASE-SECRET", "DPoP DEAD", "DPoP DEAD", "Bearer BASE-SECRET", "DPoP ELEVATED-SECRET"]


def test_a_dead_elevated_token_takes_no_other_along(server: respx.MockRouter) -> None:
    server["challenge"].mock(side_effect=[STEPPED, CODED, STEPPED, CODED])
    tokens = [{**TOKEN, "access_token": acr, "acr": acr} for acr in ("phr", "mfa")]
    server["token"].mock(side_effect=[httpx.Response(200, json=token) for token in tokens])
    dead = httpx.Response(401, headers={"www-authenticate": 'DPoP error="invalid_token"'})
    server["transfers"].mock(side_effect=lambda request: dead)
    me = server.get(f"{API}/me").respond(200)
    person = ScriptedPrompter(["111111", "222222"])
    with client(person) as bank:
        bank.step_up(acr="phr")
        bank.step_up(acr="mfa")
        asked = Requirement(acr="mfa")
        assert bank.request("POST", "/transfers", content=iter([b""]), step_up=asked).status_code == 401
        assert bank.request("GET", "/me", step_up=Requirement(acr="phr")).status_code == 200
    assert me.calls[0].request.headers["authorization"] == "DPoP phr"
    assert len(person.occasions) == 2


def test_what_is_for_one_call_serves_no_other_and_what_is_for_others_does_not_serve_it() -> None:
    desk, once, later = Desk(), Requirement(acr="mfa", max_age=0), Requirement(acr="mfa", max_age=300)
    with desk.client() as bank:
        for wanted in (once, once, later, once):  # no time goes by between them
            bank.request("POST", "/transfers", step_up=wanted)
    assert [sent.headers["authorization"] for sent in desk.at("call")] == [f"DPoP ELEVATED-{n}" for n in (1, 2, 3, 4)]


def test_what_one_user_proved_serves_no_other(server: respx.MockRouter) -> None:
    server["challenge"].mock(side_effect=[STEPPED, CODED, STEPPED, CODED])
    server.post(f"{API}/login").respond(json={"access_token": "BOB", "token_type": "Bearer"})
    thinking, asked, codes = threading.Event(), threading.Event(), iter(["123456", "234567"])

    def code(label: str) -> str:
        asked.set()
        thinking.wait(5)
        return next(codes)

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
    person = ScriptedPrompter(["111111", "222222"])
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
