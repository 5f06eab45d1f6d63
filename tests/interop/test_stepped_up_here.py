"""People sign in at node oidc-provider, in their browser, and the API's own server steps them up: one call."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import Depends, FastAPI

from examples.bank.serving import serving
from support.bank_server import Counted, MovableClock
from support.oidc_provider import Person, oidc_provider
from support.totp import code_at, seed_in
from upstile.client import Browser, Client, FileStore, NoMethodAvailable, NotSignedIn, Totp
from upstile.client.testing import ScriptedPrompter
from upstile.server import App, Authentication
from upstile.server.fastapi import StepUp
from upstile.server.issuers import ExternalLogins, JWTVerifier

PAY = "/transfers"


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """Its tokens are bound, and live for so short that a ceremony needs a new one."""
    with oidc_provider(policy="stock", life=100) as issuer:
        yield issuer


@dataclass
class Api:
    """An API with its own server, whose users sign in at the provider."""

    url: str
    issuer: str
    clock: MovableClock
    exchanges: list[tuple[str, str, int]]


@pytest.fixture
def api(provider: str, tmp_path: Path) -> Iterator[Api]:
    clock, exchanges = MovableClock(), list[tuple[str, str, int]]()

    def make(url: str) -> Any:
        app = FastAPI()
        server = StepUp.embedded(
            url=url,
            storage=f"sqlite:///{tmp_path / 'api.db'}",
            clients=[App("cli", scopes="transfers")],
            verifier=JWTVerifier(issuer=provider, audience=url, logins=ExternalLogins(trusted_amr={"pwd"})),
            clock=clock,
            allow_insecure_loopback=True,
        )
        server.install(app)
        guards = {"/accounts": server.require(), PAY: server.require(acr="mfa", max_age=300)}
        for path, guard in guards.items():
            _add(app, path, guard)
        return Counted(app, exchanges)

    with serving(make) as url:
        yield Api(url, provider, clock, exchanges)


def _add(app: FastAPI, path: str, guard: Any) -> None:
    @app.post(path)
    async def handler(auth: Annotated[Authentication, Depends(guard)]) -> dict[str, Any]:
        return {"sub": auth.subject, "iss": auth.token.issuer, "jkt": auth.token.jkt}


class Ada(ScriptedPrompter):
    """Somebody with a browser and an authenticator app."""

    def __init__(self, api: Api) -> None:
        super().__init__(self.fresh)
        self.browser = Person()
        self._api = api
        self._seed = b""

    def fresh(self) -> str:
        """A code that was not used yet."""
        self._api.clock.ahead += 30
        return code_at(self._seed, int(self._api.clock()) // 30)

    def show_key_uri(self, uri: str) -> None:
        self._seed = seed_in(parse_qs(urlsplit(uri).query)["secret"][0])

    def show_page(self, url: str, opened: bool) -> None:
        """The browser has it."""


@contextmanager
def signed_in(api: Api, ada: Ada, **options: Any) -> Iterator[Client]:
    browser = Browser(opens=ada.browser.opens, scope=["transfers", "offline_access"])
    usual: dict[str, Any] = {"prompter": ada, "browser": browser, "methods": [Totp()], "clock": api.clock}
    with Client(api.url, client_id="cli", sign_in_at=api.issuer, **{**usual, **options}) as client:
        client.sign_in()
        yield client
    ada.browser.browser.close()


def test_one_call_from_the_challenge_to_its_repeat(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    ada = Ada(api)
    with signed_in(api, ada) as client:
        base = client.post("/accounts").json()
        assert (base["sub"], base["iss"]) == ("ada", api.issuer)
        client.authenticators.enroll(Totp(), "phone")
        forms = ada.browser.forms
        api.exchanges.clear()
        caplog.set_level(logging.INFO, "httpx")
        caplog.clear()
        elevated = client.post(PAY)
    assert elevated.json() == {"sub": "ada", "iss": api.url, "jkt": base["jkt"]}
    assert [(path, status) for _, path, status in api.exchanges] == [
        (PAY, 401),
        ("/stepup/challenge", 403),
        ("/stepup/challenge", 200),
        ("/stepup/token", 200),
        (PAY, 200),
    ]
    assert ada.browser.forms == forms  # nobody was sent back to the provider
    assert sum(f"{api.issuer}/token" in record.getMessage() for record in caplog.records) == 1  # the renewal


def test_what_is_enrolled_is_changed_after_a_ceremony_here(api: Api) -> None:
    ada = Ada(api)
    with signed_in(api, ada) as client:
        client.authenticators.enroll(Totp(), "phone")
        (phone,) = client.authenticators.list()
        assert client.authenticators.rename(phone.id, "old phone").name == "old phone"


def test_somebody_who_has_nothing_enrolled_is_told_so_and_the_provider_is_not_asked(api: Api) -> None:
    ada = Ada(api)
    with signed_in(api, ada) as client:
        with pytest.raises(NoMethodAvailable) as told:
            client.post(PAY)
        assert set(told.value.enrollable) == {"webauthn", "totp"}
        assert client.post("/accounts").status_code == 200


def test_signing_out_ends_what_was_confirmed_here_and_the_sign_in_there(api: Api, tmp_path: Path) -> None:
    ada = Ada(api)
    with signed_in(api, ada, store=FileStore("pay", folder=tmp_path / "kept")) as client:
        client.authenticators.enroll(Totp(), "phone")
        client.post(PAY)
        api.exchanges.clear()
        page = client.sign_out()
        assert page is not None
        assert page.startswith(f"{api.issuer}/session/end?")
        assert [(path, status) for _, path, status in api.exchanges] == [("/stepup/revoke", 200)]
        with pytest.raises(NotSignedIn):
            client.post(PAY)
