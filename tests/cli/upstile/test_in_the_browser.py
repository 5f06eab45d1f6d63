"""`upstile` at an identity provider: the page is shown, and the browser comes back or its address is pasted."""

import re
from collections.abc import Iterator
from threading import Thread

import pytest

from support.judging_api import JudgingApi, judging_api
from support.oidc_provider import Person, oidc_provider
from support.shell import Done, Shell

_url = re.compile(r"http://127\.0\.0\.1:[0-9]+/auth\?\S+")
PAY = ("request", "POST", "/transfers?acr=mfa")


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """A provider that gives refresh tokens to who asks for `offline_access`."""
    with oidc_provider(policy="check") as issuer:
        yield issuer


@pytest.fixture
def api(issuer: str) -> Iterator[JudgingApi]:
    """An API that takes its tokens."""
    with judging_api(issuer) as api:
        yield api


@pytest.fixture
def ada() -> Iterator[Person]:
    """Somebody who reads the address off the terminal."""
    person = Person()
    yield person
    person.browser.close()


def watched(shell: Shell, person: Person, *arguments: str) -> Done:
    """Run a command whose page the person opens themselves, and whose address they paste where it is asked for."""

    def watches() -> None:
        asks = "--paste" in arguments
        shown = shell.terminal.sees("paste the address" if asks else "gives up.")
        found = _url.search(shown)
        assert found is not None
        person.goes(found[0])
        if asks:
            shell.terminal.types(f"{person.ended_at}\n", after="")

    watching = Thread(target=watches, daemon=True)
    watching.start()
    done = shell.run(*arguments)
    watching.join(10)
    return done


def login(shell: Shell, person: Person, api: JudgingApi, *more: str) -> Done:
    """The first sign-in."""
    where = ["--api", api.url, "--client-id", "cli", "--issuer", api.issuer]
    return watched(shell, person, "login", *where, "--scope", "transfers", "--scope", "offline_access", *more)


def test_a_person_signs_in_pays_and_signs_out(shell: Shell, api: JudgingApi, ada: Person) -> None:
    done = login(shell, ada, api, "--no-browser")
    assert (done.code, done.out) == (0, "")
    assert done.error == f"You are signed in as ada at {api.url}.\n"
    ada.code = "123456"
    assert watched(shell, ada, *PAY, "--no-browser").code == 0
    assert "Open this page in your browser:" in shell.terminal.shown
    done = shell.run("logout")
    assert done.error.startswith("You are signed out.\nYour browser may still be signed in. Sign out there, too: http")
    assert f"{api.issuer}/session/end?client_id=cli" in done.error


def test_the_next_sign_in_is_remembered(shell: Shell, api: JudgingApi, ada: Person) -> None:
    login(shell, ada, api, "--no-browser")
    assert watched(shell, ada, "login", "--no-browser").code == 0
    assert "offline_access" in shell.files()


def test_over_ssh_the_address_is_pasted_back(shell: Shell, api: JudgingApi, ada: Person) -> None:
    ada.elsewhere = True
    done = login(shell, ada, api, "--no-browser", "--paste")
    assert done.error == f"You are signed in as ada at {api.url}.\n"
    assert ada.back == []


def test_a_sign_in_that_has_expired_is_renewed_without_a_word(shell: Shell, api: JudgingApi, ada: Person) -> None:
    login(shell, ada, api, "--no-browser")
    api.refuses.append((401, 'DPoP error="invalid_token"'))
    done = shell.run("request", "POST", "/transfers")
    assert (done.code, done.error) == (0, "")
    assert len(ada.back) == 1


def test_where_nobody_may_be_asked_a_sign_in_says_so(shell: Shell, api: JudgingApi) -> None:
    where = ["--api", api.url, "--client-id", "cli", "--issuer", api.issuer]
    done = shell.run("login", *where, "--interaction", "never")
    assert done.sentence(4).startswith("This needs you: run it in a terminal.")


def test_without_a_path_and_an_issuer_it_is_said_what_to_say(shell: Shell, api: JudgingApi) -> None:
    done = shell.run("login", "--api", api.url, "--client-id", "cli")
    assert "--issuer URL, for an identity provider" in done.sentence(2)
