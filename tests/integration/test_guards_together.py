"""Several guards on one call, several deployments in one application, and handlers that ask for more."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from secrets import token_urlsafe
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request

from support.own_app import another_process, own_app
from support.tokens import minted_with
from support.wire_driver import NOON, URL, WireApp, enrolled_app, error_of, problem_of
from upstile.server import App, Authentication, ConfigurationError
from upstile.server.fastapi import StepUp

pytestmark = pytest.mark.anyio


async def test_several_guards_on_one_call_look_at_the_proof_once_and_consume_once(tmp_path: Path) -> None:
    server = another_process(tmp_path, lambda: NOON + 60)
    other = FastAPI(dependencies=[Depends(server.require(max_age=0))])
    server.install(other)

    @other.delete("/everything", dependencies=[Depends(server.require(max_age=0))])
    async def remove(auth: Annotated[Authentication, Depends(server.require(acr="mfa", max_age=0))]) -> str:
        auth.require(max_age=0)
        return auth.subject

    async with enrolled_app(tmp_path) as app:
        token = await app.elevate(max_age="0")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(other), base_url=URL) as http:
            app.http = http
            assert (await app.call("DELETE", "/everything", token=token)).json() == "ada"
            assert problem_of(await app.call("DELETE", "/everything", token=token)) == "token-used"
    await server._deployment.aclose()


async def test_what_one_deployment_verified_is_nothing_to_another(tmp_path: Path) -> None:
    def deployment(url: str) -> StepUp:
        return StepUp.embedded(
            url=url,
            storage=f"sqlite:///{tmp_path / url[-4:]}.db",
            clients=[App("cli")],
            allow_insecure_loopback=True,
            clock=lambda: NOON,
        )

    ours, theirs = deployment(URL), deployment("http://localhost:9000")
    app = FastAPI(dependencies=[Depends(theirs.require())])
    ours.install(app)

    @app.get("/mine")
    async def mine(auth: Annotated[Authentication, Depends(ours.require())]) -> str:
        return auth.subject

    token = (await theirs.start_session("mallory", amr=["pwd"])).access_token
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http:
        reply = await http.get("/mine", headers={"Authorization": f"Bearer {token}"})
    assert (reply.status_code, error_of(reply)) == (401, "invalid_token")
    for server in (ours, theirs):
        await server._deployment.aclose()


async def test_a_token_for_one_call_passes_the_weaker_guards_around_the_one_that_uses_it_up(tmp_path: Path) -> None:
    async with _guarded_otherwise(tmp_path, once_in_handler=False) as app:
        token = await _token_for_one_call(app, tmp_path)
        elsewhere = await app.call("GET", "/balance", token=token)
        assert (elsewhere.status_code, error_of(elsewhere)) == (401, "invalid_token")
        assert (await app.call("DELETE", "/everything", token=token)).json() == "removed"
        assert problem_of(await app.call("DELETE", "/everything", token=token)) == "token-used"


async def test_a_handler_can_ask_for_more(tmp_path: Path) -> None:
    server = another_process(tmp_path, lambda: NOON + 60)
    other = FastAPI()
    server.install(other)

    @other.post("/orders/{amount}")
    async def order(amount: int, auth: Annotated[Authentication, Depends(server.require())]) -> int:
        if amount > 1000:
            auth.require(acr="mfa", max_age=300, reason="Confirm the large order")
        return amount

    async with enrolled_app(tmp_path) as app:
        token = await app.elevate()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(other), base_url=URL) as http:
            app.http = http
            assert (await app.call("POST", "/orders/1000")).json() == 1000
            large = await app.call("POST", "/orders/5000")
            assert (large.status_code, large.json()["detail"]) == (401, "Confirm the large order")
            assert (await app.call("POST", "/orders/5000", token=token)).json() == 5000
    await server._deployment.aclose()


async def test_a_handler_can_ask_for_this_very_call_where_its_guard_says_so(tmp_path: Path) -> None:
    async with _guarded_otherwise(tmp_path, once_in_handler=True) as app:
        assert (await app.call("POST", "/orders/1000")).json() == 1000
        asked = await app.call("POST", "/orders/5000")
        assert (asked.status_code, asked.json()["max_age"]) == (401, 0)
        for amount in (5000, 1):  # used up by the call even if its handler did not ask
            token = await _token_for_one_call(app, tmp_path)
            assert (await app.call("POST", f"/orders/{amount}", token=token)).json() == amount
            for again in (5000, 1):
                assert (await app.call("POST", f"/orders/{again}", token=token)).status_code == 401


async def test_a_handler_that_asks_for_this_very_call_unannounced_is_told_what_to_declare(tmp_path: Path) -> None:
    async with _guarded_otherwise(tmp_path, once_in_handler=False) as app:
        with pytest.raises(ConfigurationError, match="once_in_handler=True"):
            await app.call("POST", "/orders/5000")


@asynccontextmanager
async def _guarded_otherwise(folder: Path, *, once_in_handler: bool) -> AsyncGenerator[WireApp]:
    """The bank's user at another application of the same deployment: a weak guard around everything."""
    server = another_process(folder, lambda: NOON + 60)
    any_token = server.requirement(once_in_handler=once_in_handler)
    other, router = FastAPI(), APIRouter(dependencies=[Depends(server.require(acr="mfa", max_age=300))])
    server.install(other)

    @router.delete("/everything", dependencies=[Depends(server.require(max_age=0))])
    async def remove() -> str:
        return "removed"

    @router.get("/balance")
    async def balance() -> str:
        return "much"

    @other.post("/orders/{amount}")
    async def order(amount: int, auth: Annotated[Authentication, Depends(any_token)]) -> int:
        if amount > 1000:
            auth.require(acr="mfa", max_age=0)
        return amount

    other.include_router(router)
    async with (
        enrolled_app(folder) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(other), base_url=URL) as http,
    ):
        yield replace(app, http=http, token=app.token)
    await server._deployment.aclose()


async def _token_for_one_call(app: WireApp, folder: Path) -> str:
    claims = {"acr": "mfa", "amr": ["otp"], "auth_time": int(NOON), "single_use": True, "jti": token_urlsafe(8)}
    return await minted_with(app, folder, **claims)


async def test_a_token_for_one_call_is_used_up_by_the_first_guard_that_it_passes(tmp_path: Path) -> None:
    done: list[str] = []
    async with own_app(tmp_path) as app:
        recent = app.server.require(acr="mfa", max_age=300)

        async def side(auth: Annotated[Authentication, Depends(recent)]) -> None:
            done.append(auth.subject)

        async def once(auth: Annotated[Authentication, Depends(app.server.require(max_age=0))]) -> None:
            return None

        app.api.delete("/x", dependencies=[Depends(side), Depends(once)])(lambda: "removed")
        await app.sign_in()
        await app.enroll_totp()
        token = await app.elevate(max_age="0")
        app.api.dependency_overrides[once] = lambda: None  # a guard that is expected and never runs
        replies = [await app.call("DELETE", "/x", token=token) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 401, 401]
    assert done == ["ada"]


async def test_a_call_that_an_application_sends_on_to_another_route_is_judged_anew(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        weak, once = app.server.require(), app.server.require(max_age=0)
        app.api.get("/weak", dependencies=[Depends(weak)])(lambda: "weak")

        @app.api.post("/batch", dependencies=[Depends(once)])
        async def batch(request: Request) -> list[int]:
            statuses: list[int] = []

            async def noted(message: Any) -> None:
                statuses.extend([message["status"]] if "status" in message else [])

            await app.api({**request.scope, "path": "/weak", "method": "GET"}, request.receive, noted)
            return statuses

        await app.sign_in()
        await app.enroll_totp()
        assert (await app.call("POST", "/batch", token=await app.elevate(max_age="0"))).json() == [401]
