"""A door on the wire and in `check`: what passes it that should not, and what is said to be behind one and is not."""

from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from support.guard_forms import SECRET, a_server, listening
from upstile.server import App
from upstile.server.fastapi import StepUp
from upstile.server.testing import token_for

URL = "http://localhost:8000"


async def _whatever_the_method(scope: Any, receive: Any, send: Any) -> None:
    """An application that looks at no method, as many that answer HTTP and websockets at one path."""
    if scope["type"] == "http":
        await PlainTextResponse(SECRET)(scope, receive, send)


def test_a_method_that_is_called_websocket_is_no_websocket(tmp_path: Path) -> None:
    server = a_server(URL, tmp_path)
    app = FastAPI()
    app.mount("/graphql", _whatever_the_method)
    server.install(app)
    door = server.protect(app, server.require(), exempt=["WEBSOCKET /graphql/live"])
    with listening(door, http="h11") as port:
        answers = [httpx.request(name, f"http://127.0.0.1:{port}/graphql/live") for name in ("GET", "WEBSOCKET")]
    assert [answer.status_code for answer in answers] == [401, 401]


@pytest.mark.filterwarnings("ignore:.*root_path")
def test_a_proof_names_the_url_that_the_application_below_the_door_says(tmp_path: Path) -> None:
    server = StepUp.embedded(
        url=f"{URL}/api",
        storage=f"sqlite:///{tmp_path / 'bank.db'}",
        clients=[App("cli")],
        allow_insecure_loopback=True,
    )
    app = FastAPI(root_path="/api")
    app.get("/x")(lambda: "in")
    server.install(app)
    with listening(server.protect(app, server.require())) as port:
        ada = token_for(server, "ada")
        for named, status in (("/x", 401), ("/api/api/x", 401), ("/api/x", 200)):
            answer = httpx.get(f"http://127.0.0.1:{port}/x", headers=ada.headers("GET", named))
            assert answer.status_code == status, named


def _asked(server: StepUp) -> dict[str, int]:
    return {str(call): len(call.requirements) for call in server.calls()}


def _pay() -> None:
    """A call that changes something."""


def test_an_application_that_is_mounted_twice_is_guarded_where_the_door_is(tmp_path: Path) -> None:
    server, app, below = a_server(URL, tmp_path), FastAPI(), FastAPI()
    below.post("/pay")(_pay)
    app.mount("/guarded", server.protect(below, server.require()))
    app.mount("/open", below)
    server.install(app)
    assert _asked(server) == {"POST /guarded/pay": 1, "POST /open/pay": 0}


class _NoDoor:
    """Middleware of an author's, which takes a requirement and does not judge by it."""

    def __init__(self, app: Any, requirement: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


def test_only_the_middleware_that_is_a_door_counts_as_one(tmp_path: Path) -> None:
    server = a_server(URL, tmp_path)
    for path, cls in (("/open", _NoDoor), ("/guarded", server.protect)):
        app = FastAPI()
        app.add_middleware(cls, requirement=server.require())
        app.post(path)(_pay)
        server.install(app, endpoints=False)
    app = FastAPI()
    app.add_middleware(server.protect, server.require())
    app.post("/by-position")(_pay)
    server.install(app, endpoints=False)
    assert _asked(server) == {"POST /open": 0, "POST /guarded": 1, "POST /by-position": 1}


def test_a_dependency_that_is_replaced_takes_its_guard_along(tmp_path: Path) -> None:
    server, app = a_server(URL, tmp_path), FastAPI()
    guard, optional = server.require(), server.optional()

    def staff(_: Annotated[Any, Depends(guard)]) -> None: ...

    def anybody(_: Annotated[Any, Depends(optional)]) -> None: ...

    app.post("/pay", dependencies=[Depends(staff)])(_pay)
    app.post("/note", dependencies=[Depends(anybody)])(_pay)
    server.install(app)
    assert _asked(server) == {"POST /pay": 1, "POST /note": 0}
    assert [len(call.optional) for call in server.calls()] == [0, 1]
    app.dependency_overrides = {guard: lambda: None, optional: lambda: None}
    assert _asked(server) == {"POST /pay": 1, "POST /note": 0}, "a test's stand-in for a guard changes nothing"
    app.dependency_overrides = {staff: lambda: None, anybody: lambda: None}
    assert _asked(server) == {"POST /pay": 0, "POST /note": 0}
    assert [len(call.optional) for call in server.calls()] == [0, 0]


def test_what_has_no_dependencies_is_listed_and_a_door_around_it_counts(tmp_path: Path) -> None:
    server, app = a_server(URL, tmp_path), FastAPI()

    async def plain(request: Request) -> Response:
        return Response()

    async def live(websocket: WebSocket) -> None: ...

    async def raw(scope: Scope, receive: Receive, send: Send) -> None: ...

    app.add_route("/plain", plain, methods=["POST"])
    app.add_route("/pages", plain)
    app.router.routes.append(WebSocketRoute("/feed", live))
    app.mount("/graphql", raw)
    app.mount("/guarded", server.protect(raw, server.require()))
    app.mount("/files", StaticFiles(directory=tmp_path))
    app.mount("/more", Router(routes=[Route("/inner", plain, methods=["DELETE"])]))
    server.install(app)
    assert {str(call): (call.changes, len(call.requirements)) for call in server.calls()} == {
        "POST /plain": (True, 0),
        "GET,HEAD /pages": (False, 0),
        "websocket /feed": (True, 0),
        "* /graphql/…": (True, 0),
        "* /guarded/…": (True, 1),
        "DELETE /more/inner": (True, 0),
    }
