"""A guard of the whole application, and the handlers that do without it."""

from pathlib import Path
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, Security

from support.single_use import for_one_call, routed_app
from support.wire_driver import error_of, problem_of
from upstile.server import Authentication, ConfigurationError

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("with_class", [False, True], ids=["plain", "route class"])
async def test_an_exempt_handler_does_without_this_guard_and_with_no_other(tmp_path: Path, with_class: bool) -> None:
    async with routed_app(tmp_path) as (app, _):
        everywhere, mfa, once = app.server.require(), app.server.require(acr="mfa"), app.server.require(max_age=0)
        router = APIRouter(route_class=app.server.route_class) if with_class else APIRouter()

        @router.get("/open")
        @everywhere.exempt
        async def open_() -> str:
            return "open"

        @router.get("/strong", dependencies=[Depends(mfa)])
        @everywhere.exempt
        async def strong() -> str:
            return "strong"

        @router.get("/by-hand")
        @everywhere.exempt
        async def by_hand(request: Request) -> str:
            return (await everywhere(request)).subject

        @router.get("/once", dependencies=[Depends(app.server.require())])
        @once.exempt
        async def no_longer_once() -> str:
            return "in"

        router.get("/closed")(lambda: "closed")
        scoped = Security(everywhere, scopes=["payments"])
        app.api.include_router(router, dependencies=[scoped, Depends(once)], prefix="/never")
        app.api.include_router(router, dependencies=[scoped])
        assert (await app.http.get("/open")).json() == "open"
        assert problem_of(await app.http.get("/closed")) == "missing-token"
        assert (await app.call("GET", "/closed")).json() == "closed"
        assert error_of(await app.call("GET", "/strong")) == "insufficient_user_authentication"
        assert problem_of(await app.http.get("/by-hand")) == "missing-token"
        assert (await app.call("GET", "/by-hand")).json() == "ada"
        token = await for_one_call(app, tmp_path)
        assert error_of(await app.call("GET", "/never/once", token=token)) == "invalid_token"
        assert (await app.call("GET", "/never/open", token=token)).json() == "open"
        said = app.api.openapi()["paths"]
        assert "security" not in said["/open"]["get"]
        assert set(said["/open"]["get"]["responses"]) == {"200"}
        assert said["/strong"]["get"]["x-step-up"] == [{"acr_values": ["mfa"]}]


async def test_a_handler_that_was_wrapped_after_it_was_exempted_is_guarded(tmp_path: Path) -> None:
    async with routed_app(tmp_path) as (app, router):
        guard = app.server.require()

        @guard.exempt
        async def inner() -> str:
            return "in"

        async def wrapped() -> str:
            return await inner()

        router.get("/x")(wrapped)
        app.api.include_router(router, dependencies=[Depends(guard)])
        assert (await app.http.get("/x")).status_code == 401


@pytest.mark.parametrize("with_class", [False, True], ids=["plain", "route class"])
async def test_who_wants_what_an_exempted_guard_returns_is_told_at_start_up(tmp_path: Path, with_class: bool) -> None:
    async with routed_app(tmp_path) as (app, _):
        guard, other = app.server.require(), FastAPI()
        if with_class:
            other.router.route_class = app.server.route_class

        @other.get("/x")
        @guard.exempt
        async def x(auth: Annotated[Authentication, Depends(guard)]) -> str:
            return auth.subject

        with pytest.raises(ConfigurationError, match="GET /x: auth"):
            app.server.install(other)
