"""A running Keycloak with two levels, a real browser, and the example's API: the way through, and Keycloak's traps."""

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import sleep
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI

from examples.bank.serving import serving
from examples.with_keycloak.__main__ import verifier
from examples.with_keycloak.api import create_app
from examples.with_keycloak.app import pay
from support.at_the_browser import AtTheBrowser
from support.bank_realm import PASSWORD, REALM, Phone, realm, with_max_age
from support.chromium import Tab, chromium
from support.exchanges import exchanges_of_the_app
from support.judging_api import judging_api
from support.keycloak import keycloak
from support.raw_login import answer_at, login_at
from upstile.client import (
    Browser,
    CallbackPrompter,
    CeremonyFailed,
    Client,
    FileStore,
    SignInExpired,
    StepUpUnsatisfied,
)
from upstile.server import ConfigurationError
from upstile.server.fastapi import StepUp
from upstile.server.issuers import IntrospectionVerifier
from upstile.server.issuers import keycloak as profile

pytestmark = pytest.mark.long
PEOPLE = ("bob", "carol", "dave", "erin", "frank", "gina", "hans")
PASSWORD_PAGE, NAME_AND_PASSWORD, CODE_PAGE = ("#password",), ("#username", "#password"), ("#otp",)
PAID = {"sent": "50.00", "to": "ACME", "acr": ["mfa"]}
OTHER_API = {"clientId": "other-api", "secret": "another secret", "standardFlowEnabled": False}
TRANSFER = {"to": "ACME", "amount": "50.00"}


@pytest.fixture(scope="module")
def realms() -> Iterator[str]:
    """One Keycloak with the example's realm, and with others that differ from it in one thing."""
    plain = realm(*PEOPLE)
    for member in ("attributes", "browserFlow", "authenticationFlows", "authenticatorConfig"):
        del plain[member]
    with keycloak(
        {
            "bank": realm(*PEOPLE, clients=[*REALM["clients"], OTHER_API]),
            "lax": with_max_age(realm(*PEOPLE), "level 2", 300),
            "short": realm(*PEOPLE, accessTokenLifespan=4),
            "plain": plain,
        }
    ) as url:
        yield f"{url}/realms"


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with chromium() as one:
        yield one


def at(tab: Tab, name: str) -> AtTheBrowser:
    """Somebody at a browser that knows nobody."""
    phone = Phone(name)
    types = {"#username": lambda: name, "#password": lambda: PASSWORD, "#otp": phone.code}
    person = AtTheBrowser(tab, types, clicks="#kc-login")
    person.forgets()
    return person


def asking(person: AtTheBrowser, **options: Any) -> dict[str, Any]:
    """The options of a client whose person sits there."""
    prompter = CallbackPrompter(show_page=lambda url, opened: None)
    return {"browser": Browser(opens=person.opens), "prompter": prompter, "human_timeout": 60.0, **options}


def client_of(api: str, issuer: str, person: AtTheBrowser, **options: Any) -> Client:
    return Client(api, client_id="bank-app", issuer=issuer, **asking(person, **options))


def create_app_for(asks: IntrospectionVerifier, url: str) -> FastAPI:
    return create_app(url=url, verifier=asks)


def test_the_example_pays_in_one_call(realms: str, tab: Tab, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="httpx")
    ada, issuer = at(tab, "ada"), f"{realms}/bank"
    with serving(lambda url: create_app(url=url, verifier=verifier(issuer))) as api:
        reply = pay(api, issuer, **asking(ada))
        assert (reply.status_code, reply.json()) == (200, PAID)
    assert ada.pages == [NAME_AND_PASSWORD, CODE_PAGE]
    of_the_sign_in = ["oauth-protected-resource", "bank", "request", "token"]
    of_the_call = ["transfers", "bank", "request", "token", "transfers"]  # Keycloak forbids to keep its metadata
    assert exchanges_of_the_app(caplog) == of_the_sign_in + of_the_call


def test_the_token_is_bound_and_is_renewed_with_a_refresh_token_that_rotates(
    realms: str, tab: Tab, tmp_path: Path
) -> None:
    bob, issuer = at(tab, "bob"), f"{realms}/short"
    store = FileStore("app", folder=tmp_path / "kept")
    with (
        serving(lambda url: create_app(url=url, verifier=verifier(issuer))) as api,
        client_of(api, issuer, bob, store=store) as client,
    ):
        signed_in = client.sign_in()
        assert signed_in is not None
        assert signed_in.bound
        (kept,) = (tmp_path / "kept").glob("*.json")
        backup = kept.read_bytes()
        sleep(5)  # the token's life
        assert client.get("/accounts").json()["acr"] == ["pwd"]
        kept.write_bytes(backup)
        with client_of(api, issuer, bob, store=FileStore("app", folder=tmp_path / "kept")) as other:
            with pytest.raises(SignInExpired):
                other.get("/accounts")
            assert other.signed_in is None
    assert bob.pages == [NAME_AND_PASSWORD]


def test_introspection_answers_for_this_api_and_nobody_else(realms: str, tab: Tab) -> None:
    carol, issuer = at(tab, "carol"), f"{realms}/bank"
    asked: dict[str, Any] = {
        "issuer": issuer,
        "client_id": "bank-api",
        "client_secret": "the API's own secret",
        "profile": profile(),
    }
    asks = IntrospectionVerifier(**asked, audience="bank-api")
    with serving(lambda url: create_app(url=url, verifier=asks)) as api:
        reply = pay(api, issuer, **asking(carol))
        assert (reply.status_code, reply.json()) == (200, PAID)
    assert carol.pages == [NAME_AND_PASSWORD, CODE_PAGE]
    answer = answer_at(issuer, carol)
    other: dict[str, Any] = {**asked, "client_id": "other-api", "client_secret": "another secret"}
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    for asking_client, status in ((asks, 200), (IntrospectionVerifier(**other, audience="bank-api"), 401)):
        with serving(partial(create_app_for, asking_client)) as api:
            reply = httpx.get(f"{api}/accounts", headers=headers)
        assert reply.status_code == status
    assert "is this API's client in the audience of the token?" in reply.headers["www-authenticate"]


def test_what_serves_one_call_is_a_login_of_its_own(realms: str, tab: Tab, tmp_path: Path) -> None:
    """`max_age=0`: both levels are asked again, and what came out serves no second call."""
    gina, issuer = at(tab, "gina"), f"{realms}/bank"

    def once(url: str) -> FastAPI:
        server = StepUp(
            url=url, verifier=verifier(issuer), storage=f"sqlite:///{tmp_path / 'api.db'}", allow_insecure_loopback=True
        )
        app = FastAPI(dependencies=[Depends(server.require(acr="mfa", max_age=0))])
        server.install(app)
        app.get("/keys")(lambda: "given out")
        return app

    with serving(once) as api, client_of(api, issuer, gina) as client:
        client.sign_in()
        for _ in range(2):
            gina.pages.clear()
            assert client.get("/keys").status_code == 200
            assert gina.pages == [PASSWORD_PAGE, CODE_PAGE]


def test_signing_out_ends_the_sign_in_here_and_in_the_browser(realms: str, tab: Tab) -> None:
    hans, issuer = at(tab, "hans"), f"{realms}/bank"
    with (
        serving(lambda url: create_app(url=url, verifier=verifier(issuer))) as api,
        client_of(api, issuer, hans) as client,
    ):
        client.sign_in()
        page = client.sign_out()
        assert page is not None
        assert client.signed_in is None
        with tab.in_use:
            tab.goes(page)
            tab.sees("log out")
            tab.clicks("#kc-logout")
            tab.sees("You are logged out")
        client.sign_in()
    assert hans.pages == [NAME_AND_PASSWORD] * 2


def test_a_realm_without_levels_is_an_error_at_the_start(realms: str) -> None:
    app = create_app(url="http://localhost:8000", verifier=verifier(f"{realms}/plain"))

    async def starts() -> None:
        async with app.router.lifespan_context(app):
            pass

    with pytest.raises(ConfigurationError, match="can never be reached: this server offers 0, 1"):
        asyncio.run(starts())


def test_trap_several_acr_values(realms: str, tab: Tab) -> None:
    """Keycloak takes the lowest of several, in any order; the app asks for one, and the challenge keeps its list."""
    dave, issuer = at(tab, "dave"), f"{realms}/bank"
    for several in ("mfa pwd", "pwd mfa"):
        assert login_at(issuer, dave, acr_values=several)["acr"] == "pwd"
    with judging_api(issuer, audience="bank-api") as api, client_of(api.url, issuer, dave) as client:
        client.sign_in()
        assert client.post("/transfers?acr=gold%20mfa%202").status_code == 200
    assert api.calls[-1] is not None
    assert api.calls[-1]["acr"] == "mfa"
    assert dave.pages == [NAME_AND_PASSWORD, CODE_PAGE]


def test_trap_both_forms(realms: str, tab: Tab) -> None:
    """Beside an essential claim `acr_values` counts for nothing; the app never sends both."""
    dave, issuer = at(tab, "dave"), f"{realms}/bank"
    weak = json.dumps({"id_token": {"acr": {"essential": True, "values": ["pwd"]}}})
    assert login_at(issuer, dave, acr_values="mfa", claims=weak)["acr"] == "pwd"


def test_trap_unknown_acr(realms: str, tab: Tab) -> None:
    """Keycloak gives a weak token without a word; the app stops after one ceremony."""
    dave, issuer = at(tab, "dave"), f"{realms}/bank"
    assert login_at(issuer, dave, acr_values="gold")["acr"] == "pwd"
    with judging_api(issuer, audience="bank-api") as api, client_of(api.url, issuer, dave) as client:
        client.sign_in()
        for _ in range(2):
            with pytest.raises(StepUpUnsatisfied):
                client.post("/transfers?acr=gold")
    assert len(dave.opened) == 2  # the sign-in, and one ceremony


@pytest.mark.parametrize(("name", "asked_at_last"), [("lax", []), ("bank", [CODE_PAGE])])
def test_trap_weaker_reauthentication_with_a_fresh_auth_time(
    realms: str, tab: Tab, name: str, asked_at_last: list[tuple[str, ...]]
) -> None:
    """A fresh password makes an old code look fresh, unless the level's Max Age is 0."""
    erin, issuer = at(tab, "erin"), f"{realms}/{name}"
    strong = login_at(issuer, erin, acr_values="mfa")
    assert erin.pages == [NAME_AND_PASSWORD, CODE_PAGE]
    sleep(3)
    erin.pages.clear()
    weak = login_at(issuer, erin, acr_values="pwd", prompt="login")
    assert erin.pages == [PASSWORD_PAGE]
    erin.pages.clear()
    again = login_at(issuer, erin, acr_values="mfa")
    assert (again["acr"], erin.pages) == ("mfa", asked_at_last)
    assert again["auth_time"] >= weak["auth_time"] >= strong["auth_time"] + 3


def test_trap_another_users_code(realms: str, tab: Tab) -> None:
    """`login_hint` is a prefill: whoever is at the browser comes back."""
    ada, issuer = at(tab, "frank"), f"{realms}/bank"
    with (
        serving(lambda url: create_app(url=url, verifier=verifier(issuer))) as api,
        client_of(api, issuer, ada) as client,
    ):
        client.sign_in()
        bob = at(tab, "bob")
        client.step_up_auth.session.browser = Browser(opens=bob.opens)
        with pytest.raises(CeremonyFailed, match="Somebody else is signed in"):
            client.post("/transfers", json=TRANSFER)
    assert bob.pages == [NAME_AND_PASSWORD, CODE_PAGE]
