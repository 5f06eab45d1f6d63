"""Requests per second of each form of the guard, beside the same application without.

Each is an application of its own. One process serves them all, on ports of their own, and tells how much of the
processor it has used.
"""

import asyncio
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time, time
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.interleaved import Work, measure, ratio
from benchmarks.table import Row
from examples.bank.serving import free_port
from upstile.server import App, Authentication
from upstile.server.fastapi import StepUp

_LOOPS = {"h11": "asyncio", "httptools": "uvloop"}
_TARGETS = {"h11": 0.96, "httptools": 0.87}
_DEPENDS_TARGETS = {"h11": 0.90, "httptools": 0.85}
CONTENDERS = ("bare", "depends", "route class", "protect", "bare Starlette", "protect Starlette")


def form_rows(rounds: int) -> Iterator[Row]:
    """What each form leaves of the bare route, by the CPU time of the server."""
    for parser in _LOOPS:
        with TemporaryDirectory() as folder, _served(Path(folder), parser) as (connections, token):
            work = {name: _calls(connection, token) for name, connection in connections.items()}
            seconds = measure(work, times=100, rounds=3 * rounds, clock=lambda: _cpu(connections["bare"]))
        beside, least = "requests/s of the bare route", _TARGETS[parser]
        depends = ratio(seconds, "bare", "depends")
        yield Row(f"FastAPI, {parser}: Depends", beside, depends, _DEPENDS_TARGETS[parser], at_least=True)
        yield Row("  route class", beside, ratio(seconds, "bare", "route class"), least, at_least=True)
        yield Row("  protect around it", beside, ratio(seconds, "bare", "protect"), least, at_least=True)
        starlette = ratio(seconds, "bare Starlette", "protect Starlette")
        yield Row("  protect around Starlette", "the same, Starlette", starlette, least, at_least=True)


@contextmanager
def _served(folder: Path, parser: str) -> Generator[tuple[dict[str, HTTPConnection], str]]:
    command = [sys.executable, "-m", "benchmarks.forms", str(folder), parser]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            if process.stdout is None:
                raise RuntimeError("no output")
            token, *ports = process.stdout.readline().split()
            yield {name: HTTPConnection("127.0.0.1", int(p)) for name, p in zip(CONTENDERS, ports, strict=True)}, token
        finally:
            process.terminate()
            process.wait(10)


def _calls(connection: HTTPConnection, token: str) -> Work:
    headers = {"Authorization": f"Bearer {token}"}

    def work(times: int) -> None:
        for _ in range(times):
            connection.request("GET", "/x", headers=headers)
            response = connection.getresponse()
            if b"ada" not in response.read():
                raise RuntimeError(f"answered {response.status}")

    return work


def _cpu(connection: HTTPConnection) -> float:
    connection.request("GET", "/cpu")
    return float(connection.getresponse().read())


def _applications(server: StepUp) -> dict[str, Any]:
    recent = server.require(acr="mfa", max_age=3600)
    bare, depends, classed, below = (FastAPI() for _ in range(4))
    classed.router.route_class = server.route_class

    async def free() -> dict[str, str]:
        return {"who": "ada"}

    async def guarded(auth: Annotated[Authentication, Depends(recent)]) -> dict[str, str]:
        return {"who": auth.subject}

    async def starlette(request: Request) -> JSONResponse:
        return JSONResponse({"who": "ada"})

    @bare.get("/cpu")
    async def cpu() -> float:
        return process_time()

    bare.get("/x")(free)
    below.get("/x")(free)
    depends.get("/x")(guarded)
    classed.get("/x")(guarded)
    for app in (bare, depends, classed, below):  # what `install` costs is another part
        server.install(app, endpoints=False)
    plain, inner = (Starlette(routes=[Route("/x", starlette)]) for _ in range(2))
    found = (bare, depends, classed, server.protect(below, recent), plain, server.protect(inner, recent))
    return dict(zip(CONTENDERS, found, strict=True))


async def _serve(folder: Path, parser: str) -> None:
    url, storage = "http://localhost:8000", f"sqlite:///{folder / 'state.db'}"
    clients = [App("cli")]
    server = StepUp.embedded(url=url, storage=storage, clients=clients, dpop="optional", allow_insecure_loopback=True)
    await server._deployment.prepare()
    now = int(time())
    claims = {"iss": url, "aud": url, "sub": "ada", "client_id": "cli", "iat": now, "exp": now + 3600, "jti": "j"}
    claims |= {"acr": "mfa", "amr": ["otp"], "auth_time": now}
    token = server._deployment.own.signing.sign(claims, now)
    apps = _applications(server)
    listeners = [free_port() for _ in apps]
    options: Any = {"log_level": "warning", "access_log": False, "ws": "none", "lifespan": "off", "http": parser}
    servers = [uvicorn.Server(uvicorn.Config(app, timeout_keep_alive=600, **options)) for app in apps.values()]
    sys.stdout.write(" ".join([token, *(str(port) for _, port in listeners)]) + "\n")
    sys.stdout.flush()
    each = zip(servers, listeners, strict=True)
    await asyncio.gather(*(server.serve(sockets=[listener]) for server, (listener, _) in each))


def main() -> None:
    """Serve; the arguments are the folder and the parser."""
    loop = _LOOPS[sys.argv[2]]
    if loop == "uvloop":
        import uvloop

        uvloop.run(_serve(Path(sys.argv[1]), sys.argv[2]))
    else:
        asyncio.run(_serve(Path(sys.argv[1]), sys.argv[2]))


if __name__ == "__main__":
    main()
