"""An API below a path of its host: the whole life of a call, by each way in which the path gets there."""

from collections.abc import Generator
from contextlib import contextmanager

import httpx
import pytest

from support.bank_server import MovableClock
from support.phone import PersonWithAPhone
from support.prefixed import WAYS, Way, at_a_prefix
from upstile.client import CeremonyFailed, Client, Totp, UntrustedChallenge, WebAuthn
from upstile.client.testing import ScriptedPrompter, VirtualKey


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    """How the path gets there."""
    found: str = request.param
    return WAYS[found]


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def url(way: Way, clock: MovableClock) -> Generator[str]:
    """The API."""
    with at_a_prefix(way, clock) as url:
        yield url


@contextmanager
def signed_in(url: str, clock: MovableClock) -> Generator[Client]:
    """A client with an authenticator app."""
    with Client(url, client_id="cli", prompter=PersonWithAPhone(clock), methods=[Totp()], clock=clock) as client:
        client.sign_in("/login", subject="ada")
        client.authenticators.enroll(Totp(), "phone")
        yield client


def test_a_call_steps_up_and_is_repeated_and_the_person_signs_out(url: str, way: Way, clock: MovableClock) -> None:
    with signed_in(url, clock) as client:
        response = client.post("/transfers")
        assert (response.status_code, response.json()) == (200, {"by": "ada"})
        assert client.get("/files/a").json() == {"name": "a", "by": "ada"}
        # What is escaped is a name of its own: served where it arrives as it was sent, and refused elsewhere.
        if way.keeps_paths:
            assert client.get("/files/a%2Fb").json() == {"name": "a/b", "by": "ada"}
        else:
            with pytest.raises(CeremonyFailed, match="invalid_dpop_proof"):
                client.get("/files/a%2Fb")
        client.sign_out()


def test_the_documents_stand_where_the_standards_put_them(url: str) -> None:
    host = url.removesuffix("/api")
    resource = httpx.get(f"{host}/.well-known/oauth-protected-resource/api").json()
    assert resource["resource"] == url
    assert resource["authorization_servers"] == [url]
    server = httpx.get(f"{host}/.well-known/oauth-authorization-server/api").json()
    assert server["issuer"] == url
    assert server["token_endpoint"] == f"{url}/stepup/token"
    assert httpx.get(server["jwks_uri"]).json()["keys"]


def test_a_proof_for_another_path_is_refused(url: str, clock: MovableClock) -> None:
    host = url.removesuffix("/api")
    with signed_in(url, clock) as client:
        caller = client.step_up_auth.session.tokens.current()
        assert caller.base is not None
        token = caller.base.access_token
        for htu in (f"{host}/files/a", f"{url}/api/files/a", f"{url}/files/b", f"{host}//api/files/a", f"{url}/files/"):
            headers = {"Authorization": f"DPoP {token}", "DPoP": caller.key.proof("GET", htu, token)}
            answer = httpx.get(f"{url}/files/a", headers=headers)
            assert answer.status_code == 401
            assert answer.json()["type"].endswith("invalid-dpop-proof"), htu


def test_a_client_that_is_given_the_host_alone_trusts_nobody_below_it(clock: MovableClock) -> None:
    with (
        at_a_prefix(WAYS["root_path of FastAPI"], clock) as url,
        Client(url.removesuffix("/api"), client_id="cli", prompter=PersonWithAPhone(clock), clock=clock) as client,
    ):
        client.sign_in("/api/login", subject="ada")
        with pytest.raises(UntrustedChallenge, match="does not name the configured issuer"):
            client.post("/api/transfers")


def test_a_security_key_is_bound_to_the_host(clock: MovableClock) -> None:
    key = VirtualKey(pin="1234")
    person = ScriptedPrompter(pin="1234")
    with (
        at_a_prefix(WAYS["routes begin with it"], clock) as url,
        Client(url, client_id="cli", prompter=person, methods=[WebAuthn(devices=lambda: [key])], clock=clock) as client,
    ):
        client.sign_in("/login", subject="ada")
        client.authenticators.enroll(WebAuthn(devices=lambda: [key]), "key")
        assert client.post("/transfers").json() == {"by": "ada"}
