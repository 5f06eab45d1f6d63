"""Both halves over a real socket: what is counted, what the person is asked, and what is said when nothing helps."""

from pathlib import Path

import httpx
import pytest

from support.ada import Ada
from support.libraries import Library
from upstile.client import (
    CeremonyFailed,
    NoMethodAvailable,
    Requirement,
    StepUpCancelled,
    StepUpRequired,
    TerminalPrompter,
    Totp,
    WebAuthn,
)
from upstile.client.testing import ScriptedPrompter

ORDER = {"to": "ACME", "amount": "1.00"}
STEP_UP = [
    ("POST", "/transfers", 401),
    ("POST", "/stepup/challenge", 403),
    ("POST", "/stepup/challenge", 200),
    ("POST", "/stepup/token", 200),
    ("POST", "/transfers", 200),
]


@pytest.mark.both_libraries
def test_a_step_up_takes_five_exchanges_with_warm_metadata(ada: Ada) -> None:
    with ada.app() as client:
        assert client.post("/transfers", json=ORDER).status_code == 200
        assert ada.bank.exchanges == STEP_UP


def test_a_cold_one_takes_seven_and_one_that_asks_ahead_four(ada: Ada) -> None:
    with ada.app():
        pass
    with ada.clients.Client(ada.bank.url, **ada.options()) as client:
        client.sign_in("/login", json={"username": "ada", "password": "correct horse"})
        ada.bank.exchanges.clear()
        client.post("/transfers", json=ORDER).raise_for_status()
        assert len(ada.bank.exchanges) == 7
        ada.bank.clock.ahead += 301
        ada.bank.exchanges.clear()
        client.post("/transfers", json=ORDER, extensions={}).raise_for_status()
        ada.bank.clock.ahead += 301
        client.authenticators.list()  # the metadata has become old as well
        ada.bank.exchanges.clear()
        ahead = Requirement(acr="mfa", max_age=300, scope="payments")
        client.request("POST", "/transfers", json=ORDER, step_up=ahead).raise_for_status()
        assert ada.bank.exchanges == STEP_UP[1:]


def test_a_login_of_this_very_second_can_step_up(ada: Ada) -> None:
    with ada.app() as client:
        client.sign_in("/login", json={"username": "ada", "password": "correct horse"})
        assert client.post("/transfers", json=ORDER).status_code == 200


@pytest.mark.both_libraries
def test_a_client_that_exists_is_upgraded_by_one_line(ada: Ada, library: Library) -> None:
    with ada.app() as signed_in:
        session = signed_in.step_up_auth.session
        token, key = session.tokens.current().base, session.key._key
    auth = ada.clients.StepUpAuth(ada.bank.url, token=token, dpop_key=key, **ada.options())
    with library.http.Client(base_url=ada.bank.url, auth=auth) as client:
        reply = client.post("/transfers", json=ORDER)
        assert isinstance(reply, library.http.Response)
        assert (reply.status_code, len(ada.person.occasions)) == (200, 1)
    auth.close()


def test_a_security_key_is_enrolled_and_used(ada: Ada) -> None:
    with ada.app() as client:
        entry = client.authenticators.enroll(WebAuthn(lambda: [ada.key]), "blue key")
        assert (entry.method, entry.state) == ("webauthn", "active")
        assert client.put("/payout-address", json={"address": "x"}).status_code == 200
        assert [kept.method for kept in client.authenticators.list()] == ["totp", "webauthn"]


def test_a_call_for_itself_alone_is_asked_for_each_time(ada: Ada) -> None:
    with ada.app() as client:
        assert [client.delete("/account").status_code for _ in range(2)] == [200, 200]
        assert len(ada.person.occasions) == 2


def test_a_key_that_is_declined_or_not_touched_is_said_so(ada: Ada) -> None:
    with ada.app() as client:
        client.authenticators.enroll(WebAuthn(lambda: [ada.key]), "blue key")
        ada.key.touch = "denied"
        with pytest.raises(StepUpCancelled, match="declined at the security key"):
            client.put("/payout-address", json={"address": "x"})


def test_a_wrong_pin_is_asked_again_and_the_last_try_is_left_alone(ada: Ada) -> None:
    with ada.app() as client:
        client.authenticators.enroll(WebAuthn(lambda: [ada.key]), "blue key")
        client.step_up_auth.session.prompter = wrong = ScriptedPrompter(pin="9999")
        with pytest.raises(NoMethodAvailable):
            client.put("/payout-address", json={"address": "x"})
        assert 0 < wrong.labels.count("PIN of your security key") <= 3


def test_a_missing_key_is_said_so(ada: Ada) -> None:
    with ada.app() as client:
        client.authenticators.enroll(WebAuthn(lambda: [ada.key]), "blue key")
    with ada.app(methods=[WebAuthn(list), Totp()]) as client, pytest.raises(NoMethodAvailable):
        client.put("/payout-address", json={"address": "x"})


def test_never_asks_nobody_and_says_what_would_be_asked(ada: Ada) -> None:
    with ada.app():
        pass
    with ada.app(interaction="never") as client, pytest.raises(StepUpRequired) as caught:
        client.post("/transfers", json=ORDER)
    assert caught.value.requirement == Requirement(acr="mfa", max_age=300)
    assert ada.person.occasions == []


def test_without_a_terminal_the_call_fails_with_a_sentence(ada: Ada, tmp_path: Path) -> None:
    with (
        ada.app(prompter=TerminalPrompter(device=str(tmp_path / "no-tty"))) as client,
        pytest.raises(NoMethodAvailable, match="no terminal to ask on"),
    ):
        client.post("/transfers", json=ORDER)


def test_a_wrong_clock_is_named(ada: Ada) -> None:
    with ada.app() as client:
        client.step_up_auth.session.key._clock = lambda: ada.bank.clock() + 3600
        client.step_up_auth.session.clock = client.step_up_auth.session.key._clock
        with pytest.raises(CeremonyFailed) as caught:
            client.request("POST", "/transfers", json=ORDER, step_up=Requirement(acr="mfa"))
    assert "seconds ahead of the server's" in caught.value.diagnostics()


def test_another_origin_gets_no_token(ada: Ada, library: Library) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        challenge = 'DPoP error="insufficient_user_authentication", acr_values="mfa"'
        return httpx.Response(401, headers={"www-authenticate": challenge})

    with ada.app() as client:
        session = client.step_up_auth
    transport = library.carried(httpx.MockTransport(answer))
    with library.http.Client(transport=transport, auth=session) as plain:
        assert plain.get("https://evil.example/").status_code == 401
    assert "authorization" not in seen[0].headers
    assert "dpop" not in seen[0].headers
    assert ada.person.occasions == []
