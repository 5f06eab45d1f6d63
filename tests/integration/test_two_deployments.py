"""Two deployments in one storage never meet: what one gave out is nothing at the other."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request

from support.own_app import BANK_CLI
from support.wire_driver import NOON, SettableClock, WireApp, enrolled_app
from upstile.server import ConfigurationError, TokenResponse
from upstile.server.fastapi import StepUp

pytestmark = pytest.mark.anyio
ELSEWHERE = "http://localhost:9000"


def _other(folder: Path, *, shared: bool) -> StepUp:
    return StepUp.embedded(
        url=ELSEWHERE,
        storage=f"sqlite:///{folder / 'bank.db'}",
        clients=[BANK_CLI],
        clock=lambda: NOON + 30,
        allow_insecure_loopback=True,
        shared_storage=shared,
    )


@asynccontextmanager
async def _other_app(folder: Path, key_of: WireApp) -> AsyncGenerator[WireApp]:
    """The same person with the same key at another deployment in the same file."""
    server, api = _other(folder, shared=True), FastAPI()
    server.install(api)

    @api.post("/login")
    async def login(request: Request) -> TokenResponse:
        return await server.start_session("ada", amr=["pwd"])

    async with api.router.lifespan_context(api):
        transport = httpx.ASGITransport(api)
        async with httpx.AsyncClient(transport=transport, base_url=ELSEWHERE) as http:
            yield WireApp(http, SettableClock(NOON + 30), key=key_of.key)


async def test_a_storage_that_knows_only_another_issuer_is_refused_with_the_way_out(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path):
        pass
    with pytest.raises(ConfigurationError, match="shared_storage=True"):
        await _other(tmp_path, shared=False).start_session("ada", amr=["pwd"])


async def test_a_ceremony_of_one_deployment_is_nothing_at_the_other(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app, _other_app(tmp_path, app) as other:
        started = await app.start()
        elsewhere = {"htu": f"{ELSEWHERE}/stepup/challenge"}
        form = app.answer_form(started, otp=app.code())
        crossed = await other.post("/stepup/challenge", form, **elsewhere)
        assert (crossed.status_code, crossed.json()["error"]) == (400, "invalid_session")
        code = (await app.post("/stepup/challenge", form)).json()["authorization_code"]
        token = app.token_form(started, code)
        crossed = await other.post("/stepup/token", token, htu=f"{ELSEWHERE}/stepup/token")
        assert (crossed.status_code, crossed.json()["error"]) == (400, "invalid_grant")
        assert (await app.post("/stepup/token", token)).status_code == 200


async def test_nothing_that_is_enrolled_or_counted_at_one_is_so_at_the_other(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app, _other_app(tmp_path, app) as other:
        for _ in range(5):
            await app.answer(await app.start(), otp="000000")
        other.token = (await other.http.post("/login")).json()["access_token"]
        form = {**other.start_form("v" * 43), "resource": ELSEWHERE}
        reply = await other.post("/stepup/challenge", form, htu=f"{ELSEWHERE}/stepup/challenge")
        # Neither locked nor lost: there is nothing to prove it with.
        assert (reply.status_code, reply.json()["error"]) == (400, "unmet_authentication_requirements")
        assert reply.json()["enrollable_methods"] == ["webauthn", "totp"]
