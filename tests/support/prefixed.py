"""An API at `http://localhost:PORT/api`, by each way in which a path gets there."""

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory
from typing import Annotated, Any, NamedTuple
from warnings import catch_warnings, simplefilter

from fastapi import APIRouter, Depends, FastAPI, Request

from examples.bank.serving import serving
from examples.production import parts
from support.production import nginx_before
from upstile.server import App, Authentication, TokenResponse
from upstile.server.fastapi import StepUp

PREFIX = "/api"
NGINX = parts.PROXY_RULES.parent


class Way(NamedTuple):
    """How the path of a call reaches the application.

    Attributes:
        make: the application, for its server and its routes.
        root_path: what the web server says.
        nginx: the rules of an nginx before it, if there is one.
        keeps_paths: whether a path arrives as it was sent.
    """

    make: Callable[[StepUp, APIRouter], FastAPI]
    root_path: str = ""
    nginx: str | None = None
    keeps_paths: bool = True


def _routes_with_it(server: StepUp, router: APIRouter) -> FastAPI:
    app = FastAPI()
    server.install(app)
    app.include_router(router, prefix=PREFIX)
    return app


def _mounted(server: StepUp, router: APIRouter) -> FastAPI:
    app, below = FastAPI(), FastAPI()
    below.include_router(router)
    app.mount(PREFIX, below)
    server.install(app)
    return app


def _with_root_path(server: StepUp, router: APIRouter) -> FastAPI:
    with catch_warnings():  # newer versions of FastAPI would rather have it said by the server
        simplefilter("ignore")
        app = FastAPI(root_path=PREFIX)
    server.install(app)
    app.include_router(router)
    return app


def _plain(server: StepUp, router: APIRouter) -> FastAPI:
    app = FastAPI()
    server.install(app)
    app.include_router(router)
    return app


WAYS = {
    "routes begin with it": Way(_routes_with_it),
    "mounted": Way(_mounted),
    "root_path of FastAPI": Way(_with_root_path),
    "nginx hands it over": Way(_routes_with_it, nginx="prefix.conf"),
    "nginx takes it off, root_path of uvicorn": Way(
        _plain, root_path=PREFIX, nginx="prefix-stripped.conf", keeps_paths=False
    ),
    "nginx takes it off, root_path of FastAPI": Way(_with_root_path, nginx="prefix-stripped.conf", keeps_paths=False),
}


def router_for(server: StepUp) -> APIRouter:
    """A sign-in, and calls that ask for a confirmation of the last five minutes."""
    router = APIRouter()

    @router.post("/login")
    async def login(request: Request) -> TokenResponse:
        return await server.start_session("ada", amr=["pwd"], request=request)

    recent = Depends(server.require(acr="mfa", max_age=300))

    @router.post("/transfers")
    async def transfer(auth: Annotated[Authentication, recent]) -> dict[str, str]:
        return {"by": auth.subject}

    @router.get("/files/{name:path}")
    async def read(name: str, auth: Annotated[Authentication, recent]) -> dict[str, str]:
        return {"name": name, "by": auth.subject}

    return router


@contextmanager
def at_a_prefix(way: Way, clock: Callable[[], float], **options: Any) -> Generator[str]:
    """The API, served; its URL without a trailing slash."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        (port,) = parts.free_ports(1)
        public: list[str] = [] if way.nginx is None else [f"http://localhost:{port}{PREFIX}"]

        def make(direct: str) -> FastAPI:
            url = public[0] if public else direct + PREFIX
            public[:] = [url]
            server = StepUp.embedded(
                url=url,
                storage=f"sqlite:///{folder}/bank.db",
                clients=[App("cli")],
                allow_insecure_loopback=True,
                clock=clock,
                **options,
            )
            return way.make(server, router_for(server))

        direct = stack.enter_context(serving(make, root_path=way.root_path))
        if way.nginx is not None:
            upstream = int(direct.removeprefix("http://localhost:"))
            stack.enter_context(nginx_before([upstream], NGINX / way.nginx, port))
        yield public[0]
