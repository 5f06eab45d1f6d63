"""The embedded server inside of an application's router: what it answers, what it leaves alone, what it costs."""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Security
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.routing import Host, Mount, Route, Router

from support.asgi import http_scope
from support.own_app import another_process, own_app
from support.wire_driver import NOON, URL, problem_of
from upstile.server import Authentication, ConfigurationError, StorageUnavailable
from upstile.server.fastapi import StepUp
from upstile.server.fastapi._starlette import EmbeddedRoutes
from upstile.server.storage.sqlite import SqliteStore

pytestmark = pytest.mark.anyio
METADATA = "/.well-known/oauth-authorization-server"


@asynccontextmanager
async def _served(app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url=URL) as http:
        yield http


def _deployment(folder: Path) -> StepUp:
    return another_process(folder, lambda: NOON)


async def test_an_application_gets_one_entry_and_it_is_the_first(tmp_path: Path) -> None:
    app = FastAPI()

    @app.get("/{rest:path}")
    async def single_page(rest: str) -> str:
        return "page"

    before = len(app.router.routes)
    _deployment(tmp_path).install(app)
    assert len(app.router.routes) == before + 1
    async with _served(app) as http:
        assert (await http.get(METADATA)).json()["issuer"] == URL
        assert (await http.get("/stepup/authenticators/x")).status_code == 405
        for path in ("/", "/stepup", "/stepup/", "/stepup/other", "/stepup/authenticators/x/other", "/.well-known/x"):
            assert (await http.get(path)).json() == "page"


@pytest.mark.parametrize(
    ("scope", "answered"),
    [
        ({"path": "/stepup/token"}, True),
        ({"path": "/stepup/authenticators/a-b"}, True),
        ({"path": "/stepup/authenticators/a/verify"}, True),
        ({"path": "/stepup/authenticators/"}, False),
        ({"path": "/stepup/authenticators//verify"}, False),
        ({"path": "/stepup/authenticators/a/b/verify"}, False),
        ({"path": "/stepup/token", "type": "websocket"}, False),
        ({"path": "/sub/stepup/token", "root_path": "/sub"}, True),
        ({"path": "/stepup/token", "root_path": "/sub"}, True),
        ({"path": "/substepup/token", "root_path": "/sub"}, False),
        ({"path": "/sub", "root_path": "/sub"}, False),
    ],
)
def test_a_path_is_the_embedded_server_s_or_it_is_not(tmp_path: Path, scope: dict[str, Any], answered: bool) -> None:
    entry = EmbeddedRoutes(_deployment(tmp_path)._deployment.routes, _nothing)
    match, _ = entry.matches({"type": "http", **scope})
    assert (match.name == "FULL") is answered


async def _nothing() -> None:
    return None


async def test_a_slash_too_many_is_redirected_as_for_any_route(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        reply = await app.http.get(f"{METADATA}/")
        assert (reply.status_code, reply.headers["location"]) == (307, URL + METADATA)


async def test_openapi_shows_the_application_s_own_routes_alone(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        assert set(app.api.openapi()["paths"]) == {"/login", "/me"}


async def test_a_guard_in_a_mounted_application_challenges(tmp_path: Path) -> None:
    server, app, below, further = _deployment(tmp_path), FastAPI(), FastAPI(), FastAPI()
    for place in (below, further):

        @place.get("/guarded")
        async def guarded(auth: Annotated[Authentication, Depends(server.require(acr="mfa"))]) -> str:
            return auth.subject

    server.install(app)
    below.mount("/further", further)
    app.mount("/below", below)
    async with _served(app) as http:
        for path in ("/below/guarded", "/below/further/guarded"):
            reply = await http.get(path)
            assert (reply.status_code, problem_of(reply)) == (401, "missing-token")


@pytest.mark.parametrize(
    "mount",
    [
        lambda app, below: app.mount("/below", CORSMiddleware(GZipMiddleware(below))),
        lambda app, below: app.mount("/below", Router([Mount("/", below)])),
        lambda app, below: app.router.routes.append(Host("localhost", Starlette(routes=[Mount("/below", below)]))),
        lambda app, below: app.include_router(_router_with(Mount("/below", below))),
    ],
    ids=["middleware", "router", "host", "included router"],
)
@pytest.mark.parametrize("first", [True, False], ids=["mounted before install", "mounted after it"])
async def test_a_guard_in_an_application_that_is_mounted_in_any_way_challenges(
    tmp_path: Path, mount: Callable[[Any, Any], None], first: bool
) -> None:
    server, app, below = _deployment(tmp_path), FastAPI(), FastAPI()
    below.get("/guarded", dependencies=[Depends(server.require(acr="mfa"))])(_nothing)
    if first:
        mount(app, below)
    server.install(app)
    if not first:
        mount(app, below)
    async with _served(app) as http:
        reply = await http.get("/below/guarded")
        assert (reply.status_code, problem_of(reply)) == (401, "missing-token")


def _router_with(route: Any) -> APIRouter:
    router = APIRouter()
    router.routes.append(route)
    return router


async def test_a_scope_that_nobody_may_have_is_found_in_a_mounted_application(tmp_path: Path) -> None:
    server, app, below = _deployment(tmp_path), FastAPI(), FastAPI()
    below.get("/guarded", dependencies=[Security(server.require(), scopes=["admin"])])(_nothing)
    server.install(app)
    app.mount("/below", CORSMiddleware(below))
    with pytest.raises(ConfigurationError, match="GET /guarded"):
        async with _served(app):
            pass


async def test_an_application_that_nobody_could_find_lets_nobody_in_and_says_what_is_missing(tmp_path: Path) -> None:
    server, app, below = _deployment(tmp_path), FastAPI(), FastAPI()
    below.get("/guarded", dependencies=[Depends(server.require(acr="mfa"))])(_nothing)

    async def hidden(scope: Any, receive: Any, send: Any) -> None:
        await below(scope, receive, send)

    server.install(app)
    app.mount("/below", hidden)
    async with _served(app) as http:
        with pytest.raises(ConfigurationError, match=r"server\.install"):
            await http.get("/below/guarded")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/{rest:path}"),
        ("GET", METADATA),
        ("POST", "/stepup/token"),
        ("POST", "/stepup/authenticators"),
        ("DELETE", "/stepup/authenticators/{any}"),
        ("PATCH", "/stepup/authenticators/{any}"),
        ("POST", "/stepup/authenticators/{any}/verify"),
        ("POST", "/stepup/{any:path}"),
        ("HEAD", "/stepup/health/{any}"),
    ],
)
async def test_a_route_that_was_put_before_the_entry_and_hides_it_is_found_at_start_up(
    tmp_path: Path, method: str, path: str
) -> None:
    server, app = _deployment(tmp_path), FastAPI()
    server.install(app)
    app.router.routes.insert(0, Route(path, lambda request: Response(), methods=[method]))
    with pytest.raises(ConfigurationError, match=f"hides {method} /"):
        async with _served(app):
            pass


async def test_an_application_that_lost_the_entry_does_not_start(tmp_path: Path) -> None:
    server, app = _deployment(tmp_path), FastAPI()
    server.install(app)
    del app.router.routes[0]
    with pytest.raises(ConfigurationError, match="taken out"):
        async with _served(app):
            pass


async def test_a_route_that_was_put_before_the_entry_and_hides_nothing_may_stand_there(tmp_path: Path) -> None:
    server, app, other = _deployment(tmp_path), FastAPI(), FastAPI()
    server.install(app)
    other.get("/stepup/mine")(_nothing)
    app.router.routes.insert(0, other.router.routes[-1])
    async with _served(app) as http:
        assert (await http.get(METADATA)).json()["issuer"] == URL


FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/stepup/challenge", FORM),
        ("POST", "/stepup/token", FORM),
        ("POST", "/stepup/revoke", FORM),
        ("POST", "/stepup/authenticators", JSON),
        ("PATCH", "/stepup/authenticators/x", JSON),
        ("POST", "/stepup/authenticators/x/verify", JSON),
        ("GET", METADATA, JSON),
    ],
)
@pytest.mark.parametrize("behind", [None, lambda app: _Around(app)], ids=["bare", "behind middleware"])
async def test_an_app_that_goes_away_in_the_middle_of_its_request_is_no_error(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
    kind: str,
    behind: Callable[[Any], Any] | None,
) -> None:
    app = FastAPI()
    _deployment(tmp_path).install(app)
    sent: list[Any] = []
    chunks = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        return chunks.pop(0) if len(chunks) > 1 else chunks[0]

    async def send(message: Any) -> None:
        sent.append(message)

    scope = http_scope(method, path, [(b"content-type", kind.encode()), (b"content-length", b"500")])
    async with app.router.lifespan_context(app):
        await (behind(app) if behind else app)(scope, receive, send)
    assert [message.get("status", 400) for message in sent] == [400, 400]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


class _Around(BaseHTTPMiddleware):
    async def dispatch(self, request: Any, call_next: Any) -> Any:
        return await call_next(request)


async def test_what_storage_cannot_answer_may_come_again_in_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        await app.server._deployment.aclose()
        monkeypatch.setattr(SqliteStore, "prepare", _away)
        for reply in (
            (await app.start()).reply,
            await app.redeem(await app.start(), "code"),
            await app.post("/stepup/revoke", {"token": app.token, "client_id": "bank-cli"}),
            await app.http.get("/stepup/jwks"),
        ):
            assert (reply.status_code, reply.json()["error"]) == (503, "temporarily_unavailable")
            assert (reply.headers["retry-after"], reply.headers["cache-control"]) == ("1", "no-store")
        for reply in (await app.call("GET", "/stepup/authenticators"), await app.call("GET", "/me")):
            assert (reply.status_code, problem_of(reply)) == (503, "temporarily-unavailable")
            assert (reply.headers["retry-after"], reply.headers["cache-control"]) == ("1", "no-store")
        for name, status in (("live", 200), ("ready", 503)):
            assert (await app.http.get(f"/stepup/health/{name}")).status_code == status


async def _away(store: SqliteStore) -> None:
    raise StorageUnavailable("the disk is gone")
