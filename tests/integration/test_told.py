"""What the person reads at the ends that a real server brings about."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from support.ada import Ada
from support.own_app import own_app
from support.wire_driver import URL
from support.words import protocol_words_in
from upstile.client import (
    AsyncClient,
    CallbackPrompter,
    CeremonyFailed,
    Client,
    NoMethodAvailable,
    StepUpError,
    Totp,
    WebAuthn,
)
from upstile.client.testing import VirtualKey

ORDER = {"to": "ACME", "amount": "1.00"}
CREDENTIALS = {"username": "ada", "password": "correct horse"}


def told(error: pytest.ExceptionInfo[Any]) -> str:
    """What the person reads; nothing of it is for developers."""
    assert isinstance(error.value, StepUpError)
    assert error.value.hint
    assert error.value.hint not in error.value.diagnostics()
    said = error.value.diagnostics().partition(" If you ask for help, name ")[0]
    assert protocol_words_in(said) == []
    return said


@pytest.mark.anyio
async def test_after_a_reset_support_is_who_helps(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        await app.enroll_totp()
        await app.server.disable_authenticators("ada")
        transport = httpx.ASGITransport(app.api)
        options: dict[str, Any] = {"client_id": app.client_id, "transport": transport, "clock": app.clock}
        async with AsyncClient(URL, **options) as client:
            await client.sign_in("/login", params={"user": "ada", "client_id": app.client_id})
            with pytest.raises(CeremonyFailed) as caught:
                await client.authenticators.enroll(Totp(), "new phone")
            assert told(caught) == "Your authenticators were reset. Ask support for an enrolment code."
            with pytest.raises(CeremonyFailed) as caught:
                await client.authenticators.enroll(Totp(), "new phone", enrolment_code="2222-2222-2222-2222")
            assert told(caught) == "This enrolment code is wrong or expired. Ask support for a new one."


def test_who_has_nothing_set_up_is_told_so_also_by_an_app_that_cannot_ask_for_a_code(ada: Ada) -> None:
    options = ada.options(prompter=CallbackPrompter(), methods=[WebAuthn(lambda: [ada.key]), Totp()])
    with Client(ada.bank.url, **options) as client:
        client.sign_in("/login", json=CREDENTIALS)
        with pytest.raises(NoMethodAvailable) as caught:
            client.post("/transfers", json=ORDER)
    assert told(caught).startswith("Nothing that you have set up is enough for this. Set up a security key")
    assert caught.value.enrollable


def test_who_has_set_up_what_the_app_cannot_ask_for_is_told_that(ada: Ada) -> None:
    with ada.app():
        pass  # she has an authenticator app now
    options = ada.options(prompter=CallbackPrompter(), methods=[WebAuthn(lambda: [VirtualKey()]), Totp()])
    with Client(ada.bank.url, **options) as client:
        client.sign_in("/login", json=CREDENTIALS)
        with pytest.raises(NoMethodAvailable) as caught:
            client.post("/transfers", json=ORDER)
    assert told(caught).startswith("This app cannot ask for a code.")
    assert caught.value.hint == "CallbackPrompter has no code="


def test_who_has_set_up_a_security_key_that_is_not_plugged_in_is_told_to_plug_it_in(ada: Ada) -> None:
    with ada.app(methods=[WebAuthn(lambda: [ada.key]), Totp()]) as client:
        client.authenticators.enroll(WebAuthn(lambda: [ada.key]), "key")
        phone = next(entry for entry in client.authenticators.list() if entry.method == "totp")
        client.authenticators.remove(phone.id)
    with Client(ada.bank.url, **ada.options(methods=[WebAuthn(list), Totp()])) as client:
        client.sign_in("/login", json=CREDENTIALS)
        with pytest.raises(NoMethodAvailable) as caught:
            client.post("/transfers", json=ORDER)
    assert told(caught) == "No security key is connected. Plug in your security key and try again."
