"""Two registered apps on one machine, with one key between them: what is one's is not the other's."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest

from support.own_app import OwnApp, own_app
from upstile.server import App

pytestmark = pytest.mark.anyio
CLIENTS = (
    App("bank-cli", scopes={"payments", "authenticators"}),
    App("report-cli", scopes={"reports"}),
)


@asynccontextmanager
async def _two_apps(folder: Path) -> AsyncGenerator[tuple[OwnApp, OwnApp]]:
    """Both apps, ada signed in at each, an authenticator app enrolled."""
    async with own_app(folder, clients=CLIENTS) as app:
        other = app.as_client("report-cli")
        for one in (app, other):
            await one.sign_in()
        assert (await app.enroll_totp()).status_code == 200
        other.seed = app.seed
        yield app, other


async def test_a_code_of_another_registered_client_is_refused_and_stays_good(tmp_path: Path) -> None:
    async with _two_apps(tmp_path) as (app, other):
        started = await app.start()
        code = (await app.answer(started, otp=app.code())).json()["authorization_code"]
        foreign = await other.redeem(started, code)
        assert (foreign.status_code, foreign.json()["error"]) == (400, "invalid_grant")
        assert (await app.redeem(started, code)).status_code == 200


async def test_a_session_of_another_registered_client_is_not_open_to_this_one(tmp_path: Path) -> None:
    async with _two_apps(tmp_path) as (app, other):
        started = await app.start()
        foreign = await other.answer(started, otp=app.code())
        assert (foreign.status_code, foreign.json()["error"]) == (400, "invalid_session")
        assert (await app.answer(started, otp=app.code())).status_code == 200


async def test_a_start_with_another_registered_clients_token_is_refused(tmp_path: Path) -> None:
    async with _two_apps(tmp_path) as (app, other):
        foreign = (await other.start(subject_token=app.token)).reply
        assert (foreign.status_code, foreign.json()["error"]) == (400, "invalid_grant")
        assert (await other.start()).reply.status_code == 403


async def test_a_client_is_granted_no_scope_but_its_own(tmp_path: Path) -> None:
    async with _two_apps(tmp_path) as (app, other):
        for one, own in ((app, {"payments"}), (other, {"reports"})):
            granted = _claims(await one.elevate(scope="payments reports admin"))["scope"]
            assert set(granted.split()) == own


async def test_another_registered_clients_token_cannot_be_revoked(tmp_path: Path) -> None:
    async with _two_apps(tmp_path) as (app, other):
        for token in (app.token, await app.elevate()):
            foreign = await other.post("/stepup/revoke", {"token": token, "client_id": other.client_id})
            assert (foreign.status_code, foreign.json()["error"]) == (400, "invalid_client")
            assert (await app.call("GET", "/me", token=token)).json() == "ada"


async def test_a_sign_in_never_grants_the_scope_that_changes_authenticators(tmp_path: Path) -> None:
    async with _two_apps(tmp_path) as (app, other):
        assert [_claims(one.token)["scope"] for one in (app, other)] == ["payments", "reports"]
        elevated = _claims(await app.elevate(scope="authenticators"))
        assert elevated["scope"] == "authenticators payments"


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims
