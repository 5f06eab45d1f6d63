"""200 MB to a guarded route without a token: what each form of the guard takes of it before it says no.

Each form is served by a process of its own, because a process tells only the most memory that it ever had.
"""

import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Annotated, Any

import uvicorn
from fastapi import APIRouter, Body, Depends, FastAPI
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.table import Row
from examples.bank.serving import free_port
from upstile.server import App
from upstile.server.fastapi import StepUp

SIZE = 200 * 1024 * 1024
_PIECE = b"x" * (1 << 20)
FORMS = ("bare 401", "protect", "route class", "Depends")
_MOST = {"bare 401": None, "protect": 5.0, "route class": 5.0, "Depends": None}
"""MB of memory more than a bare 401 takes."""


@dataclass(frozen=True)
class Refused:
    """What became of one upload.

    Attributes:
        status: the answer.
        seconds: until it came.
        taken: MB that the server took from the network until the connection ended.
        memory: MB that the server's process grew by.
    """

    status: int
    seconds: float
    taken: float
    memory: float


def refuse_rows(rounds: int) -> Iterator[Row]:
    """Memory and time; a round more than a few tells nothing new."""
    for parser in ("h11", "httptools"):
        found = {form: upload(form, parser) for form in FORMS}
        bare = found["bare 401"]
        for form, each in found.items():
            name = f"200 MB without a token, {parser}: {form}"
            yield Row(name, "MB of memory more than a bare 401", each.memory - bare.memory, _MOST[form])
            yield Row("  until the answer", "ms", each.seconds * 1000, None)


def upload(form: str, parser: str) -> Refused:
    """Send 200 MB, and go on sending as long as the server listens."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.refusing", folder, form, parser]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
            try:
                if process.stdout is None:
                    raise RuntimeError("no output")
                port = int(process.stdout.readline())
                _sent(port, 1024)  # warm up: what the first request of all needs
                before = _most_memory(process.pid)
                status, seconds, taken = _sent(port, SIZE)
                return Refused(status, seconds, taken / 2**20, _most_memory(process.pid) - before)
            finally:
                process.terminate()
                process.wait(10)


def _sent(port: int, size: int) -> tuple[int, float, int]:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as link:
        kind = "Content-Type: application/octet-stream"
        link.sendall(f"POST /x HTTP/1.1\r\nHost: localhost\r\n{kind}\r\nContent-Length: {size}\r\n\r\n".encode())
        began, answered, sent, answer = perf_counter(), None, 0, b""
        link.setblocking(False)
        while sent < size or answered is None:
            readable, writable, _ = select.select([link], [link] if sent < size else [], [], 60)
            try:
                if readable:
                    piece = link.recv(65536)
                    answered = answered or perf_counter()
                    answer += piece
                    if not piece:
                        break
                if writable:
                    sent += link.send(_PIECE[: size - sent])
            except (BrokenPipeError, ConnectionResetError):
                break
    if answered is None:
        raise RuntimeError("no answer")
    return int(answer.split(b" ", 2)[1]), answered - began, sent


def _most_memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def _application(form: str, server: StepUp) -> Any:
    guard = server.require()
    router = APIRouter(route_class=server.route_class) if form == "route class" else APIRouter()
    app = FastAPI()

    async def upload(data: Annotated[bytes, Body(media_type="application/octet-stream")]) -> int:
        return len(data)

    async def bare(request: object) -> Response:
        return Response(status_code=401)

    if form == "bare 401":
        app.router.routes.append(Route("/x", bare, methods=["POST"]))
    else:
        router.post("/x", dependencies=[] if form == "protect" else [Depends(guard)])(upload)
    app.include_router(router)
    server.install(app)
    return server.protect(app, guard) if form == "protect" else app


def main() -> None:
    """Serve, and say on which port; the arguments are the folder, the form and the parser."""
    folder, form, parser = sys.argv[1:]
    listener, port = free_port()
    url, storage = f"http://localhost:{port}", f"sqlite:///{folder}/state.db"
    server = StepUp.embedded(url=url, storage=storage, clients=[App("cli")], allow_insecure_loopback=True)
    options: Any = {"log_level": "warning", "access_log": False, "ws": "none", "http": parser}
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(_application(form, server), **options)).run(sockets=[listener])


if __name__ == "__main__":
    main()
