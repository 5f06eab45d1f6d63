"""What the app hands in: an address or a token that is none is refused at once, and a hook or a prompter may break."""

import threading

import httpx
import pytest
import respx

from support.mocked_api import API, STEP, client
from upstile.client import (
    BaseToken,
    CallbackPrompter,
    CeremonyFailed,
    ConfigurationError,
    Event,
    NoMethodAvailable,
    StepUpAuth,
    StepUpTimeout,
    Totp,
)
from upstile.client.flow import _session

pytestmark = pytest.mark.usefixtures("library")


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
    with pytest.raises(ConfigurationError, match="https"):
        StepUpAuth(url, client_id="cli", token=BaseToken(access_token="t"))


def test_an_api_on_this_machine_may_do_without() -> None:
    StepUpAuth("http://localhost:8000", client_id="cli").close()


@pytest.mark.requirement("rfc6750-2.1-b64token")
@pytest.mark.parametrize("token", ["", "BASE-SECRET\n", "BASE SECRET", "Bearer BASE-SECRET"])
def test_a_token_that_is_none_is_refused_at_once_and_not_shown(token: str) -> None:
    with pytest.raises(ConfigurationError, match="access token") as caught:
        client(token=token)
    assert "SECRET" not in str(caught.value)


def test_a_callable_that_returns_a_text_with_a_line_break_is_told_so_and_nothing_is_sent(
    server: respx.MockRouter,
) -> None:
    with client(token=lambda: "BASE-SECRET\n") as bank, pytest.raises(ConfigurationError, match="line break") as caught:
        bank.post("/transfers")
    assert "SECRET" not in str(caught.value)
    assert not server.calls


def test_a_sign_in_that_returns_a_text_with_a_line_break_is_not_kept(server: respx.MockRouter) -> None:
    server.post(f"{API}/login").respond(json={"access_token": "NEW-SECRET\r\nx: y", "token_type": "DPoP"})
    with client(token=None) as bank:
        with pytest.raises(CeremonyFailed) as caught:
            bank.sign_in("/login")
        assert "SECRET" not in f"{caught.value!r} {caught.value.diagnostics()} {caught.value.hint}"
        assert bank.signed_in is None


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


def test_a_prompter_that_never_returns_holds_nobody_up(
    server: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_session, "GRACE", 0.1)
    asked, stuck, returned = threading.Event(), threading.Event(), threading.Event()

    def code(label: str) -> str:
        asked.set()
        stuck.wait(5)
        returned.set()
        return "123456"

    with client(CallbackPrompter(code=code), human_timeout=1) as bank:
        with pytest.raises(StepUpTimeout):
            bank.post("/transfers")
        assert asked.is_set()
        assert not returned.is_set()
        bank.step_up_auth.session.prompter = CallbackPrompter()
        server["challenge"].mock(side_effect=lambda request: httpx.Response(403, json=STEP))
        with pytest.raises(NoMethodAvailable):
            bank.post("/transfers")
        stuck.set()


def test_a_method_whose_callback_is_missing_is_not_offered(server: respx.MockRouter) -> None:
    with client(CallbackPrompter()) as bank, pytest.raises(NoMethodAvailable) as caught:
        bank.post("/transfers")
    assert str(caught.value) == "This app cannot ask for a code"
    assert caught.value.hint == "CallbackPrompter has no code="
    assert "CallbackPrompter" not in caught.value.diagnostics()
    assert not server["challenge"].called


def test_nothing_is_begun_on_the_server_that_the_app_cannot_ask_for(server: respx.MockRouter) -> None:
    with client(CallbackPrompter()) as bank, pytest.raises(NoMethodAvailable, match="cannot ask for a code"):
        bank.authenticators.enroll(Totp(), "phone")
    assert not server.calls
