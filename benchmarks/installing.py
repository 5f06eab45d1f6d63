"""What `install(app)` costs the application's own routes: the same application with it and without, under uvicorn.

Both are served by one process, which tells how much of the processor it has used: a part of a hundredth is looked for,
and the wall clock of a machine that does other things is no measure for that.
"""

import asyncio
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import uvicorn
from fastapi import FastAPI

from benchmarks.interleaved import Work, measure, ratio
from benchmarks.table import Row
from examples.bank.serving import free_port
from upstile.server import App
from upstile.server.fastapi import StepUp

CONTENDERS = ("bare", "again", "installed")


def install_rows(rounds: int) -> Iterator[Row]:
    """Short rounds, and many."""
    with TemporaryDirectory() as folder, _served(Path(folder)) as connections:
        work = {name: _calls(connection) for name, connection in connections.items()}
        seconds = measure(work, times=100, rounds=5 * rounds, clock=lambda: _get(connections["bare"], "/cpu"))
    name, beside = "a route of a FastAPI app after install(app)", "CPU of the same app without"
    yield Row(name, beside, ratio(seconds, "installed", "bare"), 1.005)
    yield Row("  the app without once more", beside, ratio(seconds, "again", "bare"), None)


@contextmanager
def _served(folder: Path) -> Generator[dict[str, HTTPConnection]]:
    command = [sys.executable, "-m", "benchmarks.installing", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            if process.stdout is None:
                raise RuntimeError("no output")
            ports = process.stdout.readline().split()
            connections = {
                name: HTTPConnection("127.0.0.1", int(port)) for name, port in zip(CONTENDERS, ports, strict=True)
            }
            yield connections
            for connection in connections.values():
                connection.close()
        finally:
            process.terminate()
            process.wait(10)


def _calls(connection: HTTPConnection) -> Work:
    def work(times: int) -> None:
        for _ in range(times):
            _get(connection, "/bare")

    return work


def _get(connection: HTTPConnection, path: str) -> float:
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeError(f"{path} was answered {response.status}")
    return float(body)


def _application() -> FastAPI:
    app = FastAPI()

    @app.get("/bare")
    async def bare() -> int:
        return 1

    @app.get("/cpu")
    async def cpu() -> float:
        return process_time()

    return app


async def _serve(folder: Path) -> None:
    apps = [_application() for _ in CONTENDERS]
    clients, storage = [App("cli")], f"sqlite:///{folder / 'state.db'}"
    StepUp.embedded(url="http://localhost", storage=storage, clients=clients, allow_insecure_loopback=True).install(
        apps[CONTENDERS.index("installed")]
    )
    listeners = [free_port() for _ in apps]
    servers = [
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, ws="none", timeout_keep_alive=600))
        for app in apps
    ]
    sys.stdout.write(" ".join(str(port) for _, port in listeners) + "\n")
    sys.stdout.flush()
    each = zip(servers, listeners, strict=True)
    await asyncio.gather(*(server.serve(sockets=[listener]) for server, (listener, _) in each))


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
