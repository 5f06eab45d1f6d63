"""SIGTERM for a real uvicorn while it answers: not ready at once, everything in flight is answered, then it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_running_on = re.compile(r"running on http://127\.0\.0\.1:(\d+)")
ENDS_WITHIN = 10
_QUIET = ("--no-access-log",)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_in_flight_at_sigterm_is_answered_while_the_process_is_not_ready(tmp_path: Path, workers: int) -> None:
    options = ("--workers", str(workers)) if workers > 1 else ()
    with _uvicorn(tmp_path, *options, applications=workers) as (process, port), closing(_connection(port)) as kept:
        assert _ready(kept) == 200
        with _slow_call(process, port) as call:
            process.send_signal(signal.SIGTERM)
            if workers == 1:  # otherwise the parent has to tell the workers first
                assert _ready(kept) in (503, None)
            call.sendall(b"wait")  # it waits until it is not ready, and is served all the same
            assert _reply(call) == (200, b"5")
        process.wait(ENDS_WITHIN)
        assert _said(process).count("closed") == workers


def test_an_application_without_lifespan_ends_as_the_web_server_ends_it(tmp_path: Path) -> None:
    with _uvicorn(tmp_path, "--lifespan", "off", applications=0) as (process, port), _slow_call(process, port) as call:
        with closing(_connection(port)) as other:
            assert _ready(other) == 200
        process.send_signal(signal.SIGTERM)
        call.sendall(b"more")
        assert _reply(call) == (200, b"5")
        process.wait(ENDS_WITHIN)


@contextmanager
def _uvicorn(folder: Path, *options: str, applications: int) -> Generator[tuple["subprocess.Popen[str]", int]]:
    """The process and its port, when so many applications have started; afterwards all are gone."""
    path = os.pathsep.join((str(_ROOT), str(_ROOT / "tests")))
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "uvicorn", "support.ending:make", "--factory", "--port", "0", *_QUIET, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": path, "ENDING_FOLDER": str(folder)},
        start_new_session=True,
    )
    try:
        yield process, _port(process, applications)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _port(process: "subprocess.Popen[str]", applications: int) -> int:
    assert process.stderr is not None
    port, started = 0, 0
    while port == 0 or started < applications:
        line = process.stderr.readline()
        assert line, "it has ended"
        found = _running_on.search(line)
        port = int(found[1]) if found else port
        started += "Application startup complete" in line
    return port


@contextmanager
def _slow_call(process: "subprocess.Popen[str]", port: int) -> Generator[socket.socket]:
    """A call of five bytes, of which the first has arrived."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as call:
        call.sendall(b"POST /slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n.")
        assert process.stdout is not None
        assert process.stdout.readline() == "in flight\n"
        yield call


def _connection(port: int) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", port, timeout=30)


def _reply(call: socket.socket) -> tuple[int, bytes]:
    reply = HTTPResponse(call)
    reply.begin()
    return reply.status, reply.read()


def _ready(connection: HTTPConnection) -> int | None:
    """What a load balancer is told on a connection that it has; `None` if the server has closed it already."""
    try:
        connection.request("GET", "/stepup/health/ready")
        reply = connection.getresponse()
        reply.read()
    except (OSError, HTTPException):
        return None
    return reply.status


def _said(process: "subprocess.Popen[str]") -> list[str]:
    output, _ = process.communicate()
    return output.split()
