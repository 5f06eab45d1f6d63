"""The client at node oidc-provider: sign-in, step-up and renewal in the browser, and the traps that it has."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import pytest

from support.chromium import chromium
from support.judging_api import JudgingApi, judging_api
from support.oidc_provider import Person, oidc_provider
from upstile.client import (
    Browser,
    CallbackPrompter,
    CeremonyFailed,
    Client,
    FileStore,
    NoMethodAvailable,
    SignInExpired,
    StepUpCancelled,
    StepUpTimeout,
    StepUpUnsatisfied,
)

PAY = "/transfers?acr=mfa&max_age=300"


@pytest.fixture(scope="module")
def strict() -> Iterator[str]:
    """One that checks acr_values, with PAR, and with DPoP nonces."""
    with oidc_provider(policy="check", nonces=True) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def stock() -> Iterator[str]:
    """One as it comes: it leaves plain acr_values alone, and asks again for ever what is essential."""
    with oidc_provider(policy="stock", par=False, dpop=False) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def deaf() -> Iterator[str]:
    """One as it comes that takes no claims parameter, so that all it can be asked it leaves alone."""
    with oidc_provider(policy="stock", claims=False) as issuer:
        yield issuer


@pytest.fixture
def ada() -> Iterator[Person]:
    person = Person()
    yield person
    person.browser.close()


def client_of(api: JudgingApi, person: Person, **options: Any) -> Client:
    """A client whose person is at a browser."""
    browser = Browser(opens=person.opens, scope=["transfers", "offline_access"])
    prompter = CallbackPrompter(show_page=lambda url, opened: None)
    given: dict[str, Any] = {"browser": browser, "prompter": prompter, "human_timeout": 10.0, **options}
    return Client(api.url, client_id="cli", issuer=api.issuer, **given)


def test_sign_in_call_challenge_browser_and_repeat_are_one_call(strict: str, ada: Person) -> None:
    with judging_api(strict) as api, client_of(api, ada) as client:
        signed_in = client.sign_in()
        assert signed_in is not None
        assert client.post("/transfers", json={"amount": "1"}).status_code == 200
        ada.code = "123456"
        assert client.post(PAY, json={"amount": "5000"}).status_code == 200
        assert client.post(PAY, json={"amount": "5000"}).status_code == 200
    base, challenged, repeated, again = api.calls
    assert base is not None
    assert repeated is not None
    assert (base["acr"], repeated["acr"], repeated["sub"]) == ("pwd", "mfa", "ada")
    assert base["cnf"] == repeated["cnf"]
    assert challenged == base
    assert again == repeated
    assert ada.forms == 2
    assert [back.status_code for back in ada.back] == [200, 200]


def test_the_counts_of_exchanges(strict: str, ada: Person, caplog: pytest.LogCaptureFixture) -> None:
    """A step-up costs the challenged call, PAR, the token request and the repeat, and the nonces that are demanded."""
    caplog.set_level("INFO", logger="httpx")
    with judging_api(strict) as api, client_of(api, ada) as client:
        client.sign_in()
        ada.code = "123456"
        caplog.clear()
        assert client.post(PAY).status_code == 200
    sent = [record.getMessage() for record in caplog.records if record.threadName in ("MainThread", "upstile exchange")]
    places = [message.split('"')[0].split(" ")[3].split("/", 3)[3].split("?")[0] for message in sent]
    assert places == ["transfers", "request", "token", "transfers"]


def test_who_declines_at_the_page_has_cancelled(strict: str, ada: Person) -> None:
    with judging_api(strict) as api, client_of(api, ada) as client:
        client.sign_in()
        ada.does = "decline"
        with pytest.raises(StepUpCancelled, match="You declined in the browser"):
            client.post(PAY)
        assert "<b>" not in ada.back[-1].text


def test_an_explicit_cannot_is_the_only_reason_to_ask_for_the_next_acr(strict: str, ada: Person) -> None:
    with judging_api(strict) as api, client_of(api, ada) as client:
        client.sign_in()
        ada.does = "cannot"
        with pytest.raises(NoMethodAvailable, match="You cannot confirm this"):
            client.post("/transfers?acr=phr%20mfa")
    assert len(ada.opened) == 3


def test_trap_several_acr_values(strict: str, ada: Person) -> None:
    """Keycloak reads several values as the lowest: one is asked, and the challenge keeps the list."""
    with judging_api(strict) as api, client_of(api, ada) as client:
        client.sign_in()
        ada.code = "phr"
        assert client.post("/transfers?acr=phr%20mfa").status_code == 200
    assert api.calls[-1] is not None
    assert api.calls[-1]["acr"] == "phr"


def test_trap_both_forms(stock: str, ada: Person) -> None:
    """Beside `acr_values` the essential claim would be a voluntary one, and a password session would not be asked."""
    with judging_api(stock) as api, client_of(api, ada) as client:
        client.sign_in()
        ada.code = "123456"
        assert client.post(PAY).status_code == 200
    assert "acr_values" not in ada.opened[-1]
    assert "claims=" in ada.opened[-1]
    assert ada.forms == 2


def test_trap_an_endless_login_page(stock: str, ada: Person) -> None:
    """The page asks again and again for what the person does not prove: only their time is an end."""
    with judging_api(stock) as api, client_of(api, ada, human_timeout=0.7) as client:
        client.sign_in()
        with pytest.raises(StepUpTimeout) as late:
            client.post(PAY)
    assert late.value.next_step.startswith("Look at the browser")
    assert ada.forms > 2


def test_trap_the_stock_policy_ignores_acr_values(deaf: str, ada: Person) -> None:
    with judging_api(deaf) as api, client_of(api, ada) as client:
        client.sign_in()
        for _ in range(2):
            with pytest.raises(StepUpUnsatisfied):
                client.post(PAY)
    assert len(ada.opened) == 2  # the sign-in and one ceremony


def test_trap_unknown_acr(deaf: str, ada: Person) -> None:
    """A silent weak token, as Keycloak gives one for an acr that it does not know."""
    with judging_api(deaf) as api, client_of(api, ada) as client:
        client.sign_in()
        with pytest.raises(StepUpUnsatisfied):
            client.post("/transfers?acr=gold")
    assert len(ada.opened) == 2


def test_trap_weaker_reauthentication_with_a_fresh_auth_time(deaf: str, ada: Person) -> None:
    """A password of this moment makes no second factor, however fresh it is."""
    with judging_api(deaf) as api, client_of(api, ada) as client:
        client.sign_in()
        with pytest.raises(StepUpUnsatisfied):
            client.step_up(acr="mfa", max_age=60)


def test_trap_another_users_code(strict: str, ada: Person) -> None:
    """`login_hint=ada` in a browser where bob is signed in brings bob's code."""
    bob = Person(name="bob", code="123456")
    with judging_api(strict) as api, client_of(api, ada) as client:
        client.sign_in()
        client.step_up_auth.session.browser = Browser(opens=bob.opens, scope=["transfers"])
        with pytest.raises(CeremonyFailed, match="Somebody else is signed in"):
            client.post(PAY)
    assert [call["sub"] for call in api.calls if call] == ["ada"]
    bob.browser.close()


def test_an_api_that_takes_no_bound_tokens_gets_a_bearer(strict: str, ada: Person) -> None:
    with judging_api(strict, bound=False) as api, client_of(api, ada) as client:
        client.sign_in()
        assert client.post("/transfers").status_code == 200
    assert api.calls[0] is not None
    assert "cnf" not in api.calls[0]


PROGRAM = """
import sys
from upstile.client import CallbackPrompter, Client, FileStore
url, issuer, folder = sys.argv[1:]
with Client(url, client_id="cli", issuer=issuer, store=FileStore("app", folder=folder)) as client:
    print(client.post("/transfers").status_code)
"""


def test_three_processes_that_share_a_store_renew_once(strict: str, ada: Person, tmp_path: Path) -> None:
    """The provider rotates refresh tokens and ends a sign-in whose old one comes again."""
    folder = tmp_path / "kept"
    with judging_api(strict) as api:
        with client_of(api, ada, store=FileStore("app", folder=folder)) as client:
            client.sign_in()
            client.post("/transfers")
        dead = api.calls[0]
        assert dead is not None
        api.dead.add(dead["jti"])
        command = [sys.executable, "-c", PROGRAM, api.url, strict, str(folder)]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "text": True}
        running = [subprocess.Popen(command, **pipes) for _ in range(3)]  # noqa: S603
        said = [one.communicate(timeout=60)[0] for one in running]
    assert said == ["200\n"] * 3
    assert len({call["jti"] for call in api.calls if call} - api.dead) == 1


def test_a_refresh_token_that_was_used_elsewhere_is_a_lost_sign_in(strict: str, ada: Person, tmp_path: Path) -> None:
    with judging_api(strict) as api, client_of(api, ada, store=FileStore("app", folder=tmp_path / "kept")) as client:
        client.sign_in()
        (file,) = (tmp_path / "kept").glob("*.json")
        copy = file.read_text()
        api.refuses.append((401, 'DPoP error="invalid_token"'))
        assert client.post("/transfers").status_code == 200
        file.write_text(copy)  # as from a backup
        with client_of(api, ada, store=FileStore("app", folder=tmp_path / "kept")) as other:
            api.refuses.append((401, 'DPoP error="invalid_token"'))
            with pytest.raises(SignInExpired, match="Your sign-in has ended"):
                other.post("/transfers")
            assert other.signed_in is None


def test_a_real_browser_signs_in_and_confirms(strict: str) -> None:
    opened: SimpleQueue[str] = SimpleQueue()
    ends: SimpleQueue[Any] = SimpleQueue()
    browser = Browser(opens=opened.put, scope=["transfers"])
    with judging_api(strict) as api, client_of(api, Person(), browser=browser, human_timeout=30.0) as client:

        def works() -> None:
            try:
                ends.put((client.sign_in(), client.post(PAY).status_code))
            except BaseException as error:
                ends.put(error)

        Thread(target=works, daemon=True).start()
        with chromium() as tab:
            tab.goes(opened.get(timeout=10))
            tab.sees("Sign in")
            tab.types("[name=name]", "ada")
            tab.clicks("[value=login]")
            tab.sees("Done. You can go back to your app.")
            tab.goes(opened.get(timeout=10))
            tab.sees("Sign in")
            tab.types("[name=code]", "123456")
            tab.clicks("[value=login]")
            tab.sees("Done. You can go back to your app.")
        signed_in, status = ends.get(timeout=10)
    assert (signed_in.subject, status) == ("ada", 200)
