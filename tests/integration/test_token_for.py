"""Tokens for tests are real: the guard judges them as every other one. And they are of no use to anybody else."""

from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from fastapi.testclient import TestClient

from support.shop import URL, shop
from upstile.server import App, AuthorizationError, ConfigurationError
from upstile.server.fastapi import StepUp
from upstile.server.keys._secret_keys import new_key
from upstile.server.testing import Clock, assert_challenged, in_process, token_for


@pytest.fixture(scope="module")
def clock() -> Clock:
    """The server's clock."""
    return Clock()


@pytest.fixture(scope="module")
def server_and_client(clock: Clock) -> Generator[tuple[StepUp, TestClient]]:
    """The shop, running."""
    app, server = shop(clock=clock)
    with TestClient(app) as client:
        yield server, client


@pytest.fixture(scope="module")
def server(server_and_client: tuple[StepUp, TestClient]) -> StepUp:
    """Its server."""
    return server_and_client[0]


@pytest.fixture
def client(server_and_client: tuple[StepUp, TestClient]) -> TestClient:
    """A client of it that sends nothing of itself."""
    client = server_and_client[1]
    cast(Any, client).auth = None  # as it is before anybody sets it
    return client


def test_one_token_serves_many_calls_each_with_a_proof_of_its_own(server: StepUp, client: TestClient) -> None:
    client.auth = token_for(server, "ada", acr="mfa")
    for path in ("/orders/book", "/orders/a%2Fb%20c?x=1", "/orders/%C3%A9"):
        assert client.post(path).status_code == 200, path


def test_it_is_bound_so_that_the_text_alone_is_worth_nothing(server: StepUp, client: TestClient) -> None:
    made = token_for(server, "ada", acr="mfa")
    for scheme in ("Bearer", "DPoP"):
        reply = client.post("/orders/book", headers={"Authorization": f"{scheme} {made.token}"})
        assert reply.status_code == 401
    used = made.headers("POST", "/orders/book")
    assert client.post("/orders/book", headers=used).status_code == 200
    assert client.post("/orders/book", headers=used).status_code == 401
    assert client.post("/orders/pen", headers=made.headers("POST", "/orders/book")).status_code == 401


def test_it_is_a_bearer_token_where_the_server_asks_for_no_key() -> None:
    app, server = shop(dpop="optional")
    with TestClient(app) as client:
        made = token_for(server, "ada", acr="mfa")
        assert made.headers("POST", "/orders/book") == {"Authorization": f"Bearer {made.token}"}
        assert client.post("/orders/book", auth=made).status_code == 200
        assert client.post("/orders/book", auth=token_for(server, "ada", acr="mfa", bound=True)).status_code == 200


def test_strength_age_scope_and_app_are_judged_as_they_were_asked_for(server: StepUp, client: TestClient) -> None:
    def called(**asked: Any) -> Any:
        return client.post("/orders/book", auth=token_for(server, "ada", **asked))

    assert called(acr="mfa", age=299).status_code == called(acr="phr").status_code == 200
    for weak_or_old in ({}, {"acr": "mfa", "age": 301}, {"acr": "phr", "age": 10_000}):
        assert_challenged(called(**weak_or_old), acr="mfa", max_age=300)
    assert called(acr="mfa", scope="refunds").status_code == 403
    assert client.get("/me", auth=token_for(server, "bob", scope="refunds")).json() == ["bob", "cli", "refunds"]


def test_a_token_for_one_call_serves_one(server: StepUp, client: TestClient) -> None:
    assert_challenged(client.delete("/once", auth=token_for(server, "ada", acr="mfa")), max_age=0)
    once = token_for(server, "ada", acr="mfa", single_use=True)
    assert client.delete("/once", auth=once).status_code == 200
    assert_challenged(client.delete("/once", auth=once), max_age=0)


def test_a_websocket_s_handshake_takes_it(server: StepUp, client: TestClient) -> None:
    with client.websocket_connect(
        "/prices", headers=token_for(server, "ada", acr="mfa").headers("GET", "/prices")
    ) as s:
        assert s.receive_text() == "ada"


def test_a_clock_that_moves_makes_it_old_and_ends_it(server: StepUp, client: TestClient, clock: Clock) -> None:
    client.auth = token_for(server, "ada", acr="mfa")
    clock.move(301)
    assert_challenged(client.post("/orders/book"), max_age=300)
    clock.move(3600)
    with pytest.raises(AssertionError, match="came:     401 Unauthorized with the error invalid_token"):
        assert_challenged(client.post("/orders/book"), max_age=300)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_the_end_of_all_sign_ins_ends_it_and_the_next_one_is_good(anyio_backend: str) -> None:
    app, server = shop()
    with in_process(app) as api:
        async with httpx2.AsyncClient(transport=api, base_url=URL) as client:  # type: ignore[arg-type]
            before = token_for(server, "ada", acr="mfa")
            assert (await client.post("/orders/book", auth=before)).status_code == 200
            with TestClient(app) as other:  # which ends the deployment, and so all that was in memory
                assert other.post("/orders/book", auth=token_for(server, "ada", acr="mfa")).status_code == 200
            assert (await client.post("/orders/book", auth=before)).status_code == 401
            assert (await client.post("/orders/book", auth=token_for(server, "ada", acr="mfa"))).status_code == 200


def test_a_reset_ends_it(server: StepUp, client: TestClient) -> None:
    before = token_for(server, "ada", acr="mfa")
    assert client.portal is not None
    client.portal.call(server.end_sessions, "ada")
    assert client.post("/orders/book", auth=before).status_code == 401
    assert client.post("/orders/book", auth=token_for(server, "ada", acr="mfa")).status_code == 200


def test_an_api_below_a_path_takes_it() -> None:
    app, server = shop(url=f"{URL}/api")
    with TestClient(app, root_path="/api") as client:
        made = token_for(server, "ada", acr="mfa")
        assert client.post("/api/orders/book", auth=made).status_code == 200
        assert client.post("/api/orders/book", headers=made.headers("POST", "/orders/book")).status_code == 401


def test_no_token_is_made_of_an_https_address_and_its_storage_stays_closed(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    _, server = shop(url="https://api.example.com", storage=f"sqlite:///{file}", secret_keys=[new_key()])
    with pytest.raises(ConfigurationError, match=r"token_for makes no tokens of https://api\.example\.com"):
        token_for(server, "ada", acr="mfa")
    assert not file.exists()


def test_a_deployment_with_the_same_storage_and_keys_takes_no_token_of_the_tests(tmp_path: Path) -> None:
    same: dict[str, Any] = {
        "storage": f"sqlite:///{tmp_path / 'shop.db'}",
        "secret_keys": [new_key()],
        "shared_storage": True,
    }
    own, server = shop(**same)
    real, _ = shop(url="https://api.example.com", **same)
    made = token_for(server, "ada", acr="mfa", bound=False)
    with TestClient(own) as tests, TestClient(real) as people:
        assert tests.post("/orders/book", auth=made).status_code == 200
        refused = people.post("/orders/book", auth=made)
        assert (refused.status_code, refused.json()["type"]) == (401, "urn:upstile:problem:invalid-token")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"acr": "mfaa"}, r"acr='mfaa': this server gives phr or mfa"),
        ({"age": -1}, "age=-1 must be the seconds"),
        ({"age": float("nan")}, "age=nan must be"),
        ({"age": True}, "age=True must be"),
        ({"scope": "orders root"}, "scope='root': none of the clients may have it"),
        ({"amr": ["fingers"]}, "amr holds 'fingers'"),
    ],
)
def test_what_no_real_token_could_be_is_named(asked: dict[str, Any], said: str, server: StepUp) -> None:
    with pytest.raises(ConfigurationError, match=said):
        token_for(server, "ada", **asked)


def test_who_and_which_app_must_be_clear(server: StepUp) -> None:
    with pytest.raises(ConfigurationError, match="must be a text that names the user"):
        token_for(server, "")
    with pytest.raises(AuthorizationError, match="not registered"):
        token_for(server, "ada", client_id="other")
    _, several = shop(clients=[App("one", scopes="orders"), App("two")])
    with pytest.raises(ConfigurationError, match="pass client_id="):
        token_for(several, "ada")


def test_it_tells_nobody_the_token(server: StepUp) -> None:
    made = token_for(server, "ada", acr="mfa")
    assert made.token not in repr(made)
    assert str(made) == f"<DPoP credentials for {URL}: hand them to auth=, or send their headers(method, path)>"
