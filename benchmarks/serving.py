"""Requests per second of a FastAPI application under uvicorn, guarded and bare; and what our client adds to a call."""

import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, sleep
from typing import Any

import httpx

from benchmarks.interleaved import Work, measure, ratio
from benchmarks.table import Row
from upstile.client import BaseToken, Client, StepUpAuth

STARTED_WITHIN = 20.0


@contextmanager
def served(folder: Path, loop: str = "asyncio") -> Generator[tuple[str, str, str]]:
    """The benchmark's application in a process of its own: its port, an elevated bearer token, its URL."""
    command = [sys.executable, "-m", "benchmarks.application", str(folder), loop]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            if process.stdout is None:
                raise RuntimeError("no output")
            port, token = process.stdout.readline().split()
            _wait(port)
            yield port, token, f"http://localhost:{port}"
        finally:
            process.terminate()
            process.wait(10)


def server_rows(rounds: int) -> Iterator[Row]:
    """What guards leave of the bare route's requests per second, by the CPU time of the server."""
    yield from _server_rows("asyncio", "h11", 0.90, rounds)
    yield from _server_rows("uvloop", "httptools", 0.85, rounds)


def _server_rows(loop: str, parser: str, target: float, rounds: int) -> Iterator[Row]:
    """Each contender is a path of one application; one connection, kept alive, from another process."""
    with TemporaryDirectory() as folder, served(Path(folder), loop) as (port, token, _):
        work = {path: _calls(port, f"/{path}", token) for path in ("bare", "nothing", "guarded", "pyjwt")}
        seconds = measure(work, times=300, rounds=rounds, clock=_server_time(port))
    for path, name, least in (
        ("guarded", f"FastAPI, {parser}: Depends(server.require(...))", target),
        ("nothing", "  a Depends that does nothing", None),
        ("pyjwt", "  PyJWT in a dependency", None),
    ):
        yield Row(name, "requests/s of the bare route", ratio(seconds, "bare", path), least, at_least=True)


def client_rows(rounds: int) -> Iterator[Row]:
    """A call that is not challenged, through our client and through plain httpx."""
    with TemporaryDirectory() as folder, served(Path(folder)) as (_, token, url):
        bearer = BaseToken(access_token=token)
        with (
            httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}) as plain,
            httpx.Client(base_url=url, auth=StepUpAuth(url, client_id="cli", token=bearer)) as with_auth,
            Client(url, client_id="cli", token=bearer) as ours,
        ):
            work = {"plain": _gets(plain), "with_auth": _gets(with_auth), "ours": _gets(ours)}
            # Short rounds, and many: what differs is a few hundredths of a call that itself varies by more.
            seconds = measure(work, times=10, rounds=20 * rounds, clock=perf_counter)
    yield Row("Client, call that is not challenged", "bare httpx, Bearer", ratio(seconds, "ours", "plain"), 1.03)
    yield Row("httpx with StepUpAuth, the same", "bare httpx, Bearer", ratio(seconds, "with_auth", "plain"), 1.03)


def _calls(port: str, path: str, token: str) -> Work:
    connection = HTTPConnection("127.0.0.1", int(port))
    headers = {"Authorization": f"Bearer {token}"}

    def work(times: int) -> None:
        for _ in range(times):
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            response.read()
            if response.status != 200:
                raise RuntimeError(f"{path} was answered {response.status}")

    return work


def _server_time(port: str) -> Callable[[], float]:
    """Reads how long the server's process has computed; that one request more is a 300th of a round."""
    connection = HTTPConnection("127.0.0.1", int(port))

    def read() -> float:
        connection.request("GET", "/cpu")
        return float(connection.getresponse().read())

    return read


def _gets(client: Any) -> Work:
    get: Callable[[str], httpx.Response] = client.get

    def work(times: int) -> None:
        for _ in range(times):
            get("/bare").raise_for_status()

    return work


def _wait(port: str) -> None:
    end = monotonic() + STARTED_WITHIN
    while True:
        try:
            connection = HTTPConnection("127.0.0.1", int(port))
            connection.request("GET", "/bare")
            connection.getresponse().read()
            connection.close()
            return
        except OSError:
            if monotonic() > end:
                raise
            sleep(0.05)
