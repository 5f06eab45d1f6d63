"""The example's API and app with node oidc-provider, in a real browser: the same files as with Keycloak."""

from pathlib import Path
from typing import Any

import pytest

from examples.bank.serving import free_port, serving
from examples.with_keycloak.api import create_app
from examples.with_keycloak.app import pay
from examples.with_oidc_provider import __main__ as example
from examples.with_oidc_provider.__main__ import OPTIONS, verifier
from support.at_the_browser import AtTheBrowser
from support.chromium import chromium
from support.exchanges import exchanges_of_the_app
from support.oidc_provider import oidc_provider
from upstile.client import Browser, CallbackPrompter

FORM = ("[name=name]", "[name=code]")


def test_the_example_pays_in_one_call(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="httpx")
    codes = ["", "123456"]
    with chromium() as tab, oidc_provider(**OPTIONS) as issuer:
        types = {"[name=name]": lambda: "ada", "[name=code]": lambda: codes.pop(0)}
        ada = AtTheBrowser(tab, types, clicks="[value=login]")
        prompter = CallbackPrompter(show_page=lambda url, opened: None)
        with serving(lambda url: create_app(url=url, verifier=verifier(issuer, url))) as api:
            reply = pay(api, issuer, browser=Browser(opens=ada.opens), prompter=prompter, human_timeout=60.0)
    assert not ada.trouble
    assert (reply.status_code, reply.json()) == (200, {"sent": "50.00", "to": "ACME", "acr": ["mfa"]})
    assert ada.pages == [FORM, FORM]
    of_the_sign_in = ["oauth-protected-resource", "oauth-authorization-server", "request", "token"]
    of_the_call = ["transfers", "request", "token", "transfers"]
    assert exchanges_of_the_app(caplog) == of_the_sign_in + of_the_call


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("which", lambda _: None, "install version 20 or newer"),
        ("PROVIDER", Path(__file__).parent, "npm ci --prefix tests/interop/node"),
    ],
)
def test_what_is_missing_is_a_sentence(monkeypatch: pytest.MonkeyPatch, name: str, value: Any, sentence: str) -> None:
    monkeypatch.setattr(example, name, value)
    with pytest.raises(SystemExit, match=sentence):
        example.main()


def test_a_port_that_is_taken_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    listener, port = free_port()
    with listener:
        monkeypatch.setattr(example, "PORT", port)
        with pytest.raises(SystemExit, match=f"The provider did not start.*Is port {port} free"):
            example.main()
