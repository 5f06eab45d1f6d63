"""`route_class` attacked: slow bodies, calls at once, replays, disconnects, and a FastAPI that works otherwise."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI

from support.single_use import Transfer, by_hand, call, for_one_call, routed_app
from support.single_use import pay as a_payment
from support.wire_driver import URL, error_of, problem_of
from upstile.server import Authentication, ConfigurationError

pytestmark = pytest.mark.anyio
JSON = {"content-type": "application/json"}


async def test_no_byte_of_the_body_is_asked_for_before_the_head_is_judged(tmp_path: Path) -> None:
    async with routed_app(tmp_path) as (app, router):
        router.post("/pay", dependencies=[Depends(app.server.require(acr="mfa"))])(a_payment)
        app.api.include_router(router)

        async def receive() -> Any:
            raise AssertionError("the body was asked for")

        assert await by_hand(app, "POST", "/pay", app.token, receive) == 401


async def test_of_two_calls_at_once_with_one_token_one_handler_runs(tmp_path: Path) -> None:
    async with routed_app(tmp_path) as (app, router):
        done = list[int]()

        @router.post("/pay")
        async def pay(
            transfer: Transfer, auth: Annotated[Authentication, Depends(app.server.require(max_age=0))]
        ) -> str:
            done.append(transfer.amount)
            return auth.subject

        app.api.include_router(router)
        token, both_judged = await for_one_call(app, tmp_path), asyncio.Barrier(2)

        async def receive() -> Any:
            await both_judged.wait()  # each asks for its body: the heads of both are good
            return {"type": "http.request", "body": b'{"amount": 1}'}

        calls = (by_hand(app, "POST", "/pay", token, receive, content_type="application/json") for _ in range(2))
        assert sorted(await asyncio.gather(*calls)) == [200, 401]
        assert done == [1]


@pytest.mark.parametrize("ended", ["expired", "revoked"])
async def test_a_body_that_outlives_the_token_lets_nobody_in(tmp_path: Path, ended: str) -> None:
    async with routed_app(tmp_path) as (app, router):
        done = list[int]()

        @router.post("/pay", dependencies=[Depends(app.server.require(max_age=0))])
        async def pay(transfer: Transfer) -> None:
            done.append(transfer.amount)

        app.api.include_router(router)
        token = await for_one_call(app, tmp_path)

        async def receive() -> Any:
            if ended == "expired":
                app.clock.now += 13 * 3600
            else:
                await app.server.end_sessions("ada")
            return {"type": "http.request", "body": b'{"amount": 1}'}

        assert await by_hand(app, "POST", "/pay", token, receive, content_type="application/json") == 401
        assert done == []


async def test_a_proof_is_used_up_with_the_head_however_slow_the_body_is(tmp_path: Path) -> None:
    async with routed_app(tmp_path) as (app, router):
        router.post("/pay", dependencies=[Depends(app.server.require(max_age=0))])(a_payment)
        app.api.include_router(router)
        token = await for_one_call(app, tmp_path)
        headers = {"Authorization": f"DPoP {token}", "DPoP": app.proof("POST", "/pay", token)}
        assert (await app.http.post("/pay", json={}, headers=headers)).status_code == 422
        replayed = await app.http.post("/pay", json={"amount": 1}, headers=headers)
        assert (replayed.status_code, error_of(replayed)) == (401, "invalid_dpop_proof")
        assert (await call(app, "/pay", token, json={"amount": 1})).status_code == 200


async def test_an_author_s_dependency_that_raises_comes_after_the_guard(tmp_path: Path) -> None:
    async with routed_app(tmp_path) as (app, router):

        async def fails() -> None:
            raise RuntimeError("asked before anybody was let in")

        router.get("/x", dependencies=[Depends(fails), Depends(app.server.require(acr="mfa"))])(lambda: "in")
        app.api.include_router(router)
        assert (await app.call("GET", "/x")).status_code == 401


async def test_a_handler_that_fails_has_used_the_token_up(tmp_path: Path) -> None:
    async with routed_app(tmp_path) as (app, router):

        @router.post("/x", dependencies=[Depends(app.server.require(max_age=0))])
        async def fails() -> None:
            raise ZeroDivisionError

        app.api.include_router(router)
        token = await for_one_call(app, tmp_path)
        with pytest.raises(ZeroDivisionError):
            await call(app, "/x", token)
        assert problem_of(await call(app, "/x", token)) == "token-used"


async def test_who_goes_away_in_the_middle_of_the_body_has_used_nothing_up(tmp_path: Path) -> None:
    async with routed_app(tmp_path) as (app, router):
        router.post("/pay", dependencies=[Depends(app.server.require(max_age=0))])(a_payment)
        app.api.include_router(router)
        token = await for_one_call(app, tmp_path)
        pieces = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]

        async def receive() -> Any:
            return pieces.pop(0)

        assert await by_hand(app, "POST", "/pay", token, receive, content_type="application/json") == 400
        assert (await call(app, "/pay", token, json={"amount": 1})).status_code == 200


async def test_a_version_of_fastapi_that_makes_handlers_of_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with routed_app(tmp_path) as (app, router):
        monkeypatch.setattr("fastapi.routing.get_request_handler", lambda **_: a_payment)
        with pytest.raises(ConfigurationError, match="version of FastAPI"):
            router.get("/x", dependencies=[Depends(app.server.require())])(lambda: "in")


async def test_without_install_nobody_is_let_in_and_the_error_says_what_is_missing(tmp_path: Path) -> None:
    async with routed_app(tmp_path) as (app, router):
        for path, max_age in (("/x", 0), ("/y", None)):
            router.post(path, dependencies=[Depends(app.server.require(max_age=max_age))])(a_payment)
        bare = FastAPI()
        bare.include_router(router)
        app.api, app.http._transport.app = bare, bare  # type: ignore[attr-defined]
        for path in ("/x", "/y"):
            with pytest.raises(ConfigurationError, match=r"server\.install"):
                await app.http.post(f"{URL}{path}", json={"amount": 1})
