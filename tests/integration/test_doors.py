"""`server.protect`: one requirement around an ASGI application, and what guards below it make of a call."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Request, WebSocket
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from support.guard_forms import DOORS, Form, a_server, in_form
from support.own_app import OwnApp, another_process
from support.single_use import for_one_call, routed_app
from support.websockets import open_websocket, say_hello
from support.wire_driver import NOON, error_of, problem_of
from upstile.protocol import parse_challenges
from upstile.server import Authentication, ConfigurationError, StorageUnavailable
from upstile.server.fastapi import StepUp
from upstile.server.storage.sqlite import SqliteStore

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def _behind(folder: Path, inner: Any, *, exempt: Any = (), **asked: Any) -> AsyncGenerator[OwnApp]:
    """The app's user at an application behind a door; `inner` gets the server and a FastAPI application."""
    async with routed_app(folder) as (app, _):
        below = FastAPI()
        made = inner(app.server, below)
        app.server.install(below, endpoints=False)
        door: Any = app.server.protect(below if made is None else made, app.server.require(**asked), exempt=exempt)
        app.api = app.http._transport.app = door  # type: ignore[attr-defined]
        yield app


def _one_route(server: StepUp, app: FastAPI) -> None:
    app.get("/x")(lambda: "in")


async def test_who_has_no_token_is_answered_as_by_any_guard(tmp_path: Path) -> None:
    async with _behind(tmp_path, _one_route, acr="mfa") as app:
        refused = await app.http.get("/x")
        lines = refused.headers.get_list("www-authenticate")
        assert [each.scheme for line in lines for each in parse_challenges(line)] == ["bearer", "dpop"]
        assert (refused.status_code, problem_of(refused)) == (401, "missing-token")
        assert refused.headers["content-type"] == "application/problem+json"
        assert error_of(await app.call("GET", "/x")) == "insufficient_user_authentication"
        assert problem_of(await app.http.get("/nowhere")) == "missing-token"


async def test_guards_below_go_on_with_what_the_door_found(tmp_path: Path) -> None:
    """A proof is good for one look, and a token for one call for one use."""

    def inner(server: StepUp, app: FastAPI) -> None:
        guard = server.require(acr="mfa", max_age=0)

        @app.post("/x", dependencies=[Depends(server.require())])
        async def x(request: Request, auth: Annotated[Authentication, Depends(guard)]) -> str:
            assert server.authentication(request) is auth
            auth.require(max_age=0)
            return auth.subject

        app.router.route_class = server.route_class
        app.post("/y")(x)

    async with _behind(tmp_path, inner, once_in_handler=True) as app:
        assert error_of(await app.call("POST", "/x")) == "insufficient_user_authentication"
        for path in ("/x", "/y"):
            token = await for_one_call(app, tmp_path)
            assert (await app.call("POST", path, token=token)).json() == "ada"
            assert problem_of(await app.call("POST", path, token=token)) == "token-used"


async def test_a_door_for_one_call_serves_one_call(tmp_path: Path) -> None:
    async with _behind(tmp_path, _one_route, max_age=0) as app:
        token = await for_one_call(app, tmp_path)
        assert (await app.call("GET", "/x", token=token)).json() == "in"
        assert problem_of(await app.call("GET", "/x", token=token)) == "token-used"


async def test_a_call_that_a_handler_sends_on_to_two_routes_is_taken_over_once(tmp_path: Path) -> None:
    done: list[str] = []

    def inner(server: StepUp, app: FastAPI) -> Any:
        @app.post("/x", dependencies=[Depends(server.require(max_age=0))])
        async def x() -> None:
            done.append("x")

        async def batch(scope: Any, receive: Any, send: Any) -> None:
            async def unheard(message: Any) -> None:
                return None

            await app(dict(scope), receive, unheard)
            await app(dict(scope), receive, send)

        return batch

    async with _behind(tmp_path, inner, once_in_handler=True) as app:
        token = await for_one_call(app, tmp_path)
        assert (await app.call("POST", "/x", token=token)).status_code == 401
        assert done == ["x"]


@pytest.mark.parametrize("change", ["headers", "method", "path"])
async def test_a_call_that_became_another_one_below_the_door_is_judged_again(tmp_path: Path, change: str) -> None:
    def inner(server: StepUp, app: FastAPI) -> Any:
        guarded = [Depends(server.require())]
        app.get("/x", dependencies=guarded)(lambda: "in")
        app.post("/x", dependencies=guarded)(lambda: "in")
        app.get("/y", dependencies=guarded)(lambda: "in")
        changed = {"headers": [], "method": "POST", "path": "/y"}

        async def between(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, change: changed[change]}, receive, send)

        return between

    async with _behind(tmp_path, inner) as app:
        assert (await app.call("GET", "/x")).status_code == 401


async def test_two_doors_look_at_a_proof_once(tmp_path: Path) -> None:
    def inner(server: StepUp, app: FastAPI) -> Any:
        app.post("/x")(lambda: "in")
        return server.protect(app, server.require(scope="payments"))

    async with _behind(tmp_path, inner) as app:
        for _ in range(2):
            assert (await app.call("POST", "/x")).json() == "in"


async def test_plain_handlers_read_whose_call_it_is(tmp_path: Path) -> None:
    def inner(server: StepUp, app: FastAPI) -> Any:
        async def who(request: Any) -> PlainTextResponse:
            return PlainTextResponse(server.authentication(request).subject)

        return Starlette(routes=[Mount("/in", routes=[Route("/who", who)]), Route("/open", who)])

    async with _behind(tmp_path, inner, exempt=["GET /open"]) as app:
        assert (await app.call("GET", "/in/who")).text == "ada"
        for _ in range(2):  # with a token that was seen, too
            with pytest.raises(ConfigurationError, match="no guard judged"):
                await app.call("GET", "/open")


async def test_a_websocket_below_a_door_is_judged_at_its_handshake_and_exempted_by_its_own_name(tmp_path: Path) -> None:
    def inner(server: StepUp, app: FastAPI) -> None:
        for path in ("/x", "/get", "/free"):
            app.websocket(path)(say_hello)

    async with _behind(tmp_path, inner, exempt=["GET /get", "WEBSOCKET /free"]) as app:
        for path, first in (("/x", None), ("/get", None), ("/free", "websocket.accept")):
            sent = await open_websocket(app, path)
            assert sent[0]["type"] == (first or "websocket.http.response.start"), path
            assert first or sent[0]["status"] == 401
        (closed,) = await open_websocket(app, "/x", extensions={})
        assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
        headers = [
            (b"authorization", f"DPoP {app.token}".encode()),
            (b"dpop", app.proof("GET", "/x", app.token).encode()),
        ]
        assert (await open_websocket(app, "/x", headers=headers))[0]["type"] == "websocket.accept"


async def test_a_guarded_websocket_below_a_door_is_let_in_with_the_same_proof(tmp_path: Path) -> None:
    def inner(server: StepUp, app: FastAPI) -> None:
        @app.websocket("/x")
        async def x(websocket: WebSocket, auth: Annotated[Authentication, Depends(server.require())]) -> None:
            await say_hello(websocket, auth.subject)

    async with _behind(tmp_path, inner) as app:
        headers = [
            (b"authorization", f"DPoP {app.token}".encode()),
            (b"dpop", app.proof("GET", "/x", app.token).encode()),
        ]
        assert (await open_websocket(app, "/x", headers=headers))[1]["text"] == "ada"


async def test_what_the_web_server_does_not_call_a_request_is_handed_on_or_refused(tmp_path: Path) -> None:
    seen: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    server = another_process(tmp_path, lambda: NOON)
    door = server.protect(inner, server.require())
    await door({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="'webtransport'"):
        await door({"type": "webtransport", "headers": []}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan"]


async def test_storage_that_is_away_is_a_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(store: SqliteStore) -> None:
        raise StorageUnavailable("the disk is gone")

    async with _behind(tmp_path, _one_route) as app:
        await app.server._deployment.aclose()
        monkeypatch.setattr(SqliteStore, "prepare", away)
        refused = await app.call("GET", "/x")
        assert (refused.status_code, problem_of(refused)) == (503, "temporarily-unavailable")
        assert refused.headers["retry-after"] == "1"


async def test_the_paths_of_the_server_are_open_below_a_door_where_install_put_them(tmp_path: Path) -> None:
    async with routed_app(tmp_path) as (app, _):
        api = app.api
        for inner, status in ((api, 200), (FastAPI(), 401)):
            app.http._transport.app = app.server.protect(inner, app.server.require())  # type: ignore[attr-defined]
            assert (await app.http.get("/stepup/jwks")).status_code == status
            assert (await app.http.get("/stepup/%6awks")).status_code == 401


@pytest.mark.parametrize(
    "written",
    ["GET /x", ["/x"], ["get /x"], ["GET x"], ["GET /x?y"], ["GET /{id}"], ["GET /*"], ["GET  /x"], ["* /x"]]
    + [[f"GET {path}"] for path in ("//x", "/./x", "/x/..", "/x/%2E%2e/y", "/é", "/x y", "/x#y", "/x\\y")],
)
def test_an_exemption_that_is_no_exact_call_is_a_mistake(tmp_path: Path, written: Any) -> None:
    server = another_process(tmp_path, lambda: NOON)
    with pytest.raises(ConfigurationError, match="exempt="):
        server.protect(FastAPI(), server.require(), exempt=written)


def test_a_door_takes_a_requirement_of_its_own_server(tmp_path: Path) -> None:
    ours, theirs = (another_process(tmp_path, lambda: NOON) for _ in range(2))
    with pytest.raises(ConfigurationError, match="same StepUp"):
        ours.protect(FastAPI(), theirs.require())


async def test_one_path_where_the_server_does_not_tell_the_raw_one_is_guarded(tmp_path: Path) -> None:
    async with _behind(tmp_path, _one_route, exempt=["GET /x"]) as app:
        assert (await app.http.get("/x")).json() == "in"
        door = app.api

        async def decoded(scope: Any, receive: Any, send: Any) -> None:
            await door({name: value for name, value in scope.items() if name != "raw_path"}, receive, send)

        app.http._transport.app = decoded  # type: ignore[attr-defined]
        assert (await app.http.get("/x")).status_code == 401


@pytest.mark.parametrize("form", DOORS, ids=lambda form: form.__name__)
def test_check_knows_of_the_doors_around_a_call(tmp_path: Path, form: Form) -> None:
    server = a_server("http://localhost:8000", tmp_path)
    app = in_form(form, server, server.require(acr="mfa"))
    assert callable(app)
    asked = {(method, call.path): call.requirements for call in server.calls() for method in call.methods}
    assert asked["GET", "/health"] == ()
    for path in ("/g/secret", "/{rest}", "/sub/{rest}"):
        assert [each.acr for each in asked["POST", path]] == [("mfa",)]
