"""`route_class`: the head is judged before the body is read; what serves once is used up last, before the handler."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Body, Depends, FastAPI, Request, Response, Security
from fastapi.responses import StreamingResponse

from support.scoped_places import user_of
from support.single_use import Transfer, call, for_one_call, routed_app
from support.single_use import pay as a_payment
from support.wire_driver import error_of, problem_of
from upstile.server import Authentication

pytestmark = pytest.mark.anyio
JSON = {"content-type": "application/json"}
BROKEN: list[dict[str, Any]] = [
    {"content": b"{", "headers": JSON},
    {"json": {"amount": "much"}},
    {"json": {}},
    {"content": b"\xff", "headers": JSON},
]


@pytest.mark.parametrize("form", ["parameter", "dependencies", "around", "sub-router", "default"])
async def test_what_fastapi_refuses_burns_nothing(tmp_path: Path, form: str) -> None:
    async with routed_app(tmp_path) as (app, router):
        once, done = app.server.require(acr="mfa", max_age=0), list[int]()

        async def pay(transfer: Transfer) -> str:
            done.append(transfer.amount)
            return "paid"

        async def pay_as(transfer: Transfer, auth: Annotated[Authentication, Depends(once)]) -> str:
            assert auth.subject == "ada"
            return await pay(transfer)

        async def pay_by_default(transfer: Transfer, auth: Authentication = Depends(once)) -> str:  # noqa: B008
            return await pay_as(transfer, auth)

        if form in ("parameter", "default"):
            router.post("/pay")(pay_as if form == "parameter" else pay_by_default)
            app.api.include_router(router)
        elif form == "dependencies":
            router.post("/pay", dependencies=[Depends(once)])(pay)
            app.api.include_router(router)
        elif form == "around":
            router.post("/pay", dependencies=[Depends(user_of(once))])(pay)
            app.api.include_router(router)
        else:
            outer = APIRouter()
            router.post("/pay")(pay)
            outer.include_router(router, dependencies=[Depends(once)])
            app.api.include_router(outer)
        token = await for_one_call(app, tmp_path)
        for broken in BROKEN:
            assert (await call(app, "/pay", token, **broken)).status_code in (400, 422)
        paid = await call(app, "/pay", token, json={"amount": 5})
        assert (paid.status_code, paid.json(), done) == (200, "paid", [5])
        again = await call(app, "/pay", token, json={"amount": 6})
        assert (again.status_code, problem_of(again), done) == (401, "token-used", [5])


async def test_with_the_plain_dependency_a_422_has_used_the_token_up(tmp_path: Path) -> None:
    """As docs/guards.md says."""
    async with routed_app(tmp_path) as (app, _):
        guard = Depends(app.server.require(max_age=0))

        @app.api.post("/pay", dependencies=[guard])
        async def pay(transfer: Transfer) -> str:
            return "paid"

        token = await for_one_call(app, tmp_path)
        assert (await call(app, "/pay", token, content=b"{", headers=JSON)).status_code == 422  # before the guard
        assert (await call(app, "/pay", token, json={"amount": "much"})).status_code == 422
        assert problem_of(await call(app, "/pay", token, json={"amount": 5})) == "token-used"


async def test_sync_streamed_and_background_handlers_are_what_they_were(tmp_path: Path) -> None:
    async with routed_app(tmp_path) as (app, router):
        guard, told = app.server.require(max_age=0), list[str]()

        @router.post("/sync")
        def sync(auth: Annotated[Authentication, Depends(guard)], amount: Annotated[int, Body(embed=True)]) -> str:
            return f"{auth.subject} {amount}"

        @router.post("/streamed")
        async def streamed(request: Request, auth: Annotated[Authentication, Depends(guard)]) -> StreamingResponse:
            read = [chunk async for chunk in request.stream()]  # by itself

            async def echo() -> AsyncIterator[bytes]:
                for chunk in read:
                    yield chunk

            return StreamingResponse(echo())

        @router.post("/later")
        async def later(
            tasks: BackgroundTasks, auth: Annotated[Authentication, Depends(guard)], response: Response
        ) -> None:
            tasks.add_task(told.append, auth.subject)
            response.headers["x-told"] = "soon"

        @router.post("/items")
        async def items(auth: Annotated[Authentication, Depends(guard)]) -> AsyncIterator[int]:
            told.append("begun")
            yield 1

        @router.post("/sync-items")
        def sync_items(auth: Annotated[Authentication, Depends(guard)]) -> Iterator[int]:
            yield 2

        app.api.include_router(router)
        answers = {}
        for path, body in (("/sync", b'{"amount": 3}'), ("/streamed", b"abc"), ("/later", b""), ("/items", b"")):
            token = await for_one_call(app, tmp_path)
            reply = await call(app, path, token, content=body, headers=JSON)
            answers[path] = reply.text
            assert problem_of(await call(app, path, token, content=body, headers=JSON)) == "token-used"
        assert answers == {"/sync": '"ada 3"', "/streamed": "abc", "/later": "null", "/items": "1\n"}
        assert told == ["ada", "begun"]
        token = await for_one_call(app, tmp_path)
        assert (await call(app, "/sync-items", token)).text == "2\n"


async def test_two_guards_security_scopes_and_a_handler_that_asks_again(tmp_path: Path) -> None:
    async with routed_app(tmp_path) as (app, router):
        weak, once = app.server.require(), app.server.require(acr="mfa", max_age=0)

        @router.delete("/x", dependencies=[Depends(weak), Security(once, scopes=["admin"])])
        async def remove(auth: Annotated[Authentication, Depends(once, use_cache=False)]) -> str:
            auth.require(max_age=0)
            return auth.subject

        app.api.include_router(router)
        lacking = await for_one_call(app, tmp_path)
        refused = await call(app, "/x", lacking, method="DELETE")
        assert (refused.status_code, error_of(refused)) == (403, "insufficient_scope")
        token = await for_one_call(app, tmp_path, scope="admin")
        assert (await call(app, "/x", token, method="DELETE")).json() == "ada"
        assert problem_of(await call(app, "/x", token, method="DELETE")) == "token-used"


async def test_once_in_handler_is_used_up_by_the_call_and_not_by_a_422(tmp_path: Path) -> None:
    async with routed_app(tmp_path) as (app, router):
        guard = app.server.require(once_in_handler=True)

        @router.post("/pay")
        async def pay(transfer: Transfer, auth: Annotated[Authentication, Depends(guard)]) -> str:
            auth.require(acr="mfa", max_age=0)
            return "paid"

        app.api.include_router(router)
        assert problem_of(await call(app, "/pay", app.token, json={"amount": 1})) == "insufficient-user-authentication"
        token = await for_one_call(app, tmp_path)
        assert (await call(app, "/pay", token, json={})).status_code == 422
        assert (await call(app, "/pay", token, json={"amount": 1})).json() == "paid"
        assert problem_of(await call(app, "/pay", token, json={"amount": 1})) == "token-used"


async def test_overrides_are_respected_before_the_body_too(tmp_path: Path) -> None:
    async with routed_app(tmp_path) as (app, router):
        guard, stricter = app.server.require(acr="mfa", max_age=0), app.server.require(acr="phr")
        nobody = object()

        @router.post("/pay")
        async def pay(transfer: Transfer, auth: Annotated[Any, Depends(guard)]) -> str:
            return "in" if auth is nobody else "let in"

        app.api.include_router(router)
        overrides = app.api.dependency_overrides
        overrides[guard] = lambda: nobody
        assert (await app.http.post("/pay", json={"amount": 1})).json() == "in"
        overrides[guard] = stricter
        assert problem_of(await call(app, "/pay", await for_one_call(app, tmp_path), json={"amount": 1})) == (
            "insufficient-user-authentication"
        )
        overrides.clear()
        token = await for_one_call(app, tmp_path)
        overrides[a_payment] = a_payment  # any other one
        assert (await call(app, "/pay", token, json={})).status_code == 422
        assert (await call(app, "/pay", token, json={"amount": 1})).json() == "let in"
        overrides.clear()
        assert (await call(app, "/pay", token, json={"amount": 1})).status_code == 401


async def test_a_router_that_is_included_twice_asks_what_stands_around_it_each_time(tmp_path: Path) -> None:
    async with routed_app(tmp_path) as (app, router):
        router.get("/x")(lambda: "in")
        app.api.include_router(router, prefix="/free")
        app.api.include_router(router, prefix="/mfa", dependencies=[Depends(app.server.require(acr="mfa"))])
        outer = APIRouter(dependencies=[Security(app.server.require(), scopes=["admin"])])
        outer.include_router(router, prefix="/admin")
        app.api.include_router(outer)
        assert (await app.http.get("/free/x")).json() == "in"
        assert error_of(await app.call("GET", "/mfa/x")) == "insufficient_user_authentication"
        assert error_of(await app.call("GET", "/admin/x")) == "insufficient_scope"


async def test_all_routes_of_an_application_can_have_the_class(tmp_path: Path) -> None:
    async with routed_app(tmp_path) as (app, _):
        below = FastAPI(dependencies=[Depends(app.server.require(acr="mfa", max_age=0))])
        below.router.route_class = app.server.route_class
        below.post("/pay")(a_payment)
        app.server.install(below, endpoints=False)
        app.api.mount("/below", below)
        token = await for_one_call(app, tmp_path)
        assert (await call(app, "/below/pay", token, json={})).status_code == 422
        assert (await call(app, "/below/pay", token, json={"amount": 1})).json() == "paid"
