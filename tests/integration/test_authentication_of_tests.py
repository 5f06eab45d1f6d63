"""`authentication(...)` stands in for a guard in tests, and nowhere else."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from upstile.server import App, Authentication, ConfigurationError, Rejection
from upstile.server.fastapi import StepUp
from upstile.server.keys._secret_keys import new_key
from upstile.server.testing import assert_challenged, authentication


def _application(url: str) -> FastAPI:
    server = StepUp.embedded(
        url=url,
        storage=":memory:" if url.startswith("http:") else "sqlite:////nowhere/shop.db",
        clients=[App("cli")],
        secret_keys=[new_key()],
        allow_insecure_loopback=True,
    )
    app = FastAPI()
    server.install(app)
    recent = server.requirement(acr="mfa", max_age=300)

    @app.get("/")
    async def handler(auth: Annotated[Authentication, Depends(recent)], acr: str = "mfa") -> str:
        auth.require(acr=acr, max_age=60)
        return auth.subject

    app.dependency_overrides[recent] = lambda: authentication("ada", acr="mfa", age=59)
    return app


def test_a_handler_is_given_it_and_what_it_asks_itself_is_judged() -> None:
    with TestClient(_application("http://localhost:8000")) as client:
        assert client.get("/").json() == "ada"
        assert_challenged(client.get("/?acr=phr"), acr="phr", max_age=60)


def test_it_says_what_it_was_made_of() -> None:
    made = authentication("ada", acr="phr", age=10, scope="a b", client_id="cli", amr=["hwk"], clock=lambda: 100.0)
    assert (made.subject, made.client_id, made.amr, made.auth_time) == ("ada", "cli", ("hwk",), 90.0)
    assert (made.acr, made.scope) == (frozenset({"phr", "mfa"}), frozenset({"a", "b"}))
    made.require(acr="mfa", max_age=10, scope="a")
    asked: list[dict[str, Any]] = [{"max_age": 9}, {"acr": "phrh"}, {"scope": "c"}, {"max_age": 0}]
    for more in asked:
        with pytest.raises(Rejection):
            made.require(**more)
    authentication("ada", single_use=True).require(max_age=0)


def test_an_application_of_an_https_address_does_not_start_with_a_guard_that_is_replaced() -> None:
    app = _application("https://api.example.com")
    with (
        pytest.raises(ConfigurationError, match="replaces the guard for mfa of the last 300 seconds"),
        TestClient(app),
    ):
        pass


def test_nor_with_one_that_is_optional() -> None:
    server = StepUp.embedded(
        url="https://api.example.com", storage="sqlite:////nowhere/x.db", clients=[App("cli")], secret_keys=[new_key()]
    )
    app, optional = FastAPI(), server.optional()
    server.install(app)
    app.dependency_overrides[optional] = lambda: authentication("ada")
    with pytest.raises(ConfigurationError, match="replaces the guard"), TestClient(app):
        pass


def test_nor_with_one_below_it() -> None:
    below = _application("http://localhost:8000")
    above = FastAPI()
    StepUp.embedded(
        url="https://api.example.com", storage="sqlite:////nowhere/x.db", clients=[App("cli")], secret_keys=[new_key()]
    ).install(above)
    above.mount("/below", below)
    with pytest.raises(ConfigurationError, match="replaces the guard"), TestClient(above):
        pass


@pytest.mark.parametrize("age", [-1, float("inf"), float("nan")])
def test_a_senseless_age_is_named(age: float) -> None:
    with pytest.raises(ConfigurationError, match="must be the seconds"):
        authentication("ada", age=age)
