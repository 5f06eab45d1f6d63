"""One application in each form of the guard: `/health` is open, everything else is behind a guard, and is a secret."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Thread
from time import monotonic
from typing import Any

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Response

from examples.bank.serving import free_port
from upstile.server import App
from upstile.server.fastapi import StepUp

SECRET, OPEN = "the secret", "open to all"
_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]
Form = Callable[[StepUp, Any], Any]


async def secret(response: Response) -> str:
    """What nobody reads without a token; the header is for HEAD."""
    response.headers["x-content"] = SECRET
    return SECRET


async def health() -> str:
    """What anybody may read."""
    return OPEN


def _routes(router: Any, *, dependencies: Any = ()) -> None:
    router.add_api_route("/health", health, methods=["GET"])
    router.add_api_route("/g/secret", secret, methods=_METHODS, dependencies=dependencies)


def _below(app: FastAPI, server: StepUp, dependencies: Any = (), route_class: Any = None) -> None:
    """An application below `/sub`, and a route for every path that is nothing else."""
    sub = FastAPI(dependencies=dependencies)
    if route_class is not None:
        sub.router.route_class = app.router.route_class = route_class
    sub.add_api_route("/{rest:path}", secret, methods=_METHODS)
    server.install(sub, endpoints=False)
    app.mount("/sub", sub)
    app.add_api_route("/{rest:path}", secret, methods=_METHODS, dependencies=dependencies)


def depends(server: StepUp, guard: Any) -> FastAPI:
    """A dependency at each route."""
    app = FastAPI()
    _routes(app, dependencies=[Depends(guard)])
    _below(app, server, [Depends(guard)])
    return app


def route_class(server: StepUp, guard: Any) -> FastAPI:
    """The same on routes of the route class."""
    app, router = FastAPI(), APIRouter(route_class=server.route_class)
    _routes(router, dependencies=[Depends(guard)])
    app.include_router(router)
    _below(app, server, [Depends(guard)], server.route_class)
    return app


def application(server: StepUp, guard: Any) -> FastAPI:
    """A dependency of the application, and one handler that does without."""
    app = FastAPI(dependencies=[Depends(guard)])
    _routes(app)
    guard.exempt(health)
    _below(app, server, [Depends(guard)])
    return app


def protect(server: StepUp, guard: Any) -> Any:
    """A door around the whole application."""
    app = FastAPI()
    _routes(app)
    _below(app, server)
    server.install(app)
    return server.protect(app, guard, exempt=["GET /health"])


def middleware(server: StepUp, guard: Any) -> FastAPI:
    """A door as the application's own middleware."""
    app = FastAPI()
    _routes(app)
    _below(app, server)
    app.add_middleware(server.protect, requirement=guard, exempt=["GET /health"])
    return app


FORMS: list[Form] = [depends, route_class, application, protect, middleware]
DOORS: list[Form] = [protect, middleware]


def a_server(url: str, folder: Any, **options: Any) -> StepUp:
    """A deployment with bearer tokens."""
    return StepUp.embedded(
        url=url,
        storage=f"sqlite:///{folder / 'forms.db'}",
        clients=[App("cli", scopes="payments")],
        dpop="optional",
        allow_insecure_loopback=True,
        **options,
    )


def in_form(form: Form, server: StepUp, guard: Any) -> Any:
    """The application in a form of the guard, with the server installed."""
    app = form(server, guard)
    if isinstance(app, FastAPI):
        server.install(app)
    return app


@contextmanager
def listening(app: Any, *, http: Any = "auto", root_path: str = "", ws: Any = "none") -> Generator[int]:
    """The application under a real uvicorn; yields the port."""
    listener, port = free_port()
    options: Any = {"log_level": "error", "access_log": False, "http": http, "root_path": root_path, "ws": ws}
    server = uvicorn.Server(uvicorn.Config(app, lifespan="on", **options))
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    end = monotonic() + 10
    try:
        while not server.started:
            thread.join(0.01)
            assert thread.is_alive(), "it did not start"
            assert monotonic() < end, "it did not start in time"
        yield port
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
