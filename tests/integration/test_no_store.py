"""No cache keeps a token (RFC 6749 §5.1): each response that holds one says so, the application's own sign-in too."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from starlette.middleware.base import BaseHTTPMiddleware

from support.own_app import OwnApp, another_process, own_app
from support.wire_driver import NOON, URL
from upstile.server import ConfigurationError, TokenResponse

pytestmark = pytest.mark.anyio
PUBLIC = "public, max-age=600"


def with_routes(app: OwnApp) -> None:
    """Sign-ins as an author may write them, and a route that hands out nothing."""

    async def start() -> TokenResponse:
        return await app.server.start_session("ada", amr=["pwd"])

    @app.api.post("/own-header")
    async def own_header(response: Response) -> TokenResponse:
        response.headers["cache-control"] = PUBLIC
        response.set_cookie("seen", "yes")
        return await start()

    @app.api.get("/nested")
    async def nested() -> dict[str, Any]:
        return {"user": "ada", "session": await start()}

    @app.api.post("/by-hand")
    async def by_hand() -> Response:
        return Response((await start()).to_json(), media_type="application/json", headers={"Cache-Control": PUBLIC})

    below = FastAPI()

    @below.post("/login")
    async def mounted() -> TokenResponse:
        return await start()

    app.api.mount("/below", below)

    @app.api.get("/public")
    async def public(response: Response) -> str:
        response.headers["cache-control"] = PUBLIC
        return "for everybody"


async def kept(app: OwnApp, method: str, path: str) -> list[str]:
    """The response's lines about caches."""
    reply = await app.http.request(method, path)
    assert reply.status_code == 200, reply.text
    assert ("access_token" in reply.text) is (path != "/public")
    if path == "/own-header":
        assert "seen=yes" in reply.headers["set-cookie"]
    return reply.headers.get_list("cache-control")


SIGN_INS = [("POST", "/own-header"), ("GET", "/nested"), ("POST", "/by-hand"), ("POST", "/below/login")]


@pytest.mark.parametrize(("method", "path"), SIGN_INS)
async def test_a_sign_in_is_kept_by_no_cache_whatever_its_author_wrote(tmp_path: Path, method: str, path: str) -> None:
    async with own_app(tmp_path) as app:
        with_routes(app)
        assert await kept(app, method, path) == ["no-store"]
        assert await kept(app, "GET", "/public") == [PUBLIC]


async def test_a_sign_in_below_a_middleware_that_runs_it_elsewhere_is_kept_by_no_cache(tmp_path: Path) -> None:
    async def through(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    async with own_app(tmp_path) as app:
        with_routes(app)
        app.api.middleware_stack = None  # the lifespan has built it
        app.api.add_middleware(BaseHTTPMiddleware, dispatch=through)
        assert await kept(app, "POST", "/own-header") == ["no-store"]


async def test_the_token_endpoint_says_so_too(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        sign_in = await app.post("/login", {}, params={"user": "ada", "client_id": "bank-cli"})
        assert sign_in.headers.get_list("cache-control") == ["no-store"]
        app.token = sign_in.json()["access_token"]
        await app.enroll_totp()
        started = await app.start()
        code = await app.answer(started, otp=app.code())
        token = await app.redeem(started, code.json()["authorization_code"])
        refused = await app.redeem(started, "another")
        for reply in (started.reply, code, token, refused):
            assert reply.headers.get_list("cache-control") == ["no-store"], reply.text


async def test_two_sign_ins_at_once_do_not_mark_each_other_nor_others(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        with_routes(app)
        paths = [("POST", "/own-header"), ("GET", "/public")] * 8
        lines = await asyncio.gather(*(kept(app, method, path) for method, path in paths))
        assert lines == [["no-store"], [PUBLIC]] * 8


async def test_install_comes_before_the_application_starts(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        late = FastAPI()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(late), base_url="http://localhost") as http:
            await http.get("/")
        with pytest.raises(ConfigurationError, match="before the application starts"):
            app.server.install(late)


@pytest.mark.parametrize("start", ["lifespan protocol", "lifespan by hand"])
async def test_a_sign_in_in_a_middleware_that_was_added_after_install_is_kept_by_no_cache(
    tmp_path: Path, start: str
) -> None:
    server, app = another_process(tmp_path, lambda: NOON), FastAPI()
    server.install(app)

    async def sign_in(request: Request, call_next: Any) -> Response:
        if request.url.path != "/sign-in":
            return Response(headers={"cache-control": PUBLIC})
        return Response((await server.start_session("ada", amr=["pwd"])).to_json())

    app.add_middleware(BaseHTTPMiddleware, dispatch=sign_in)
    for _ in range(2):  # an application may start again
        async with (
            _started(app) if start == "lifespan protocol" else app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http,
        ):
            replies = [await http.get(path) for path in ("/sign-in", "/public")]
        assert [reply.headers["cache-control"] for reply in replies] == ["no-store", PUBLIC]


@asynccontextmanager
async def _started(app: FastAPI) -> AsyncGenerator[None]:
    """As a web server starts an application and ends it."""
    heard, said = asyncio.Queue[dict[str, str]](), asyncio.Queue[Any]()
    running = asyncio.ensure_future(app({"type": "lifespan", "asgi": {"version": "3.0"}}, heard.get, said.put))
    heard.put_nowait({"type": "lifespan.startup"})
    assert (await said.get())["type"] == "lifespan.startup.complete"
    yield
    heard.put_nowait({"type": "lifespan.shutdown"})
    await running
