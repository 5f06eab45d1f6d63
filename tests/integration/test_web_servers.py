"""One step-up through each web server that operators choose, at the root of its host and below a path."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest

from examples.production.parts import free_ports
from upstile.client import Client, WebAuthn
from upstile.client.testing import ScriptedPrompter, VirtualKey

APP = "support.served:app"
SERVERS = {
    "uvicorn, 4 workers": "-m uvicorn {app} --host 127.0.0.1 --port {port} --workers 4 --no-proxy-headers",
    "gunicorn": "-m gunicorn {app} --bind 127.0.0.1:{port} --workers 2 --worker-class uvicorn_worker.UvicornWorker",
    "hypercorn": "-m hypercorn {app} --bind 127.0.0.1:{port} --workers 2",
    "granian": "-m granian {app} --interface asgi --host 127.0.0.1 --port {port} --workers 2",
}
WITHIN = 120.0
ROOT = Path(__file__).parents[2]


@contextmanager
def served(command: str, path: str, folder: Path) -> Generator[str]:
    """The API by a web server; its URL without a trailing slash."""
    (port,) = free_ports(1)
    url = f"http://localhost:{port}{path}"
    environment = {**os.environ, "SERVED_URL": url, "SERVED_STORAGE": f"sqlite:///{folder / 'bank.db'}"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    said = (folder / "server.log").open("wb")
    words = command.format(app=APP, port=port).split()
    process = subprocess.Popen([sys.executable, *words], cwd=folder, env=environment, stdout=said, stderr=said)  # noqa: S603
    try:
        _wait(process, f"{url}/stepup/health/ready", folder / "server.log")
        yield url
    finally:
        process.terminate()
        process.wait(WITHIN)
        said.close()


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    end = monotonic() + WITHIN
    while monotonic() < end and process.poll() is None:
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        sleep(0.1)
    raise RuntimeError(f"the server did not start: {log.read_text()}")


def steps_up(url: str) -> None:
    """Sign in, enrol, be asked, be served; each exchange on a connection of its own, so that all workers take part."""
    key, limits = VirtualKey(pin="2468"), httpx.Limits(max_keepalive_connections=0)
    person, ways = ScriptedPrompter(pin="2468"), [WebAuthn(devices=lambda: [key])]
    with Client(url, client_id="cli", prompter=person, methods=ways, limits=limits) as client:
        client.sign_in("/login", subject="ada")
        client.authenticators.enroll(ways[0], "key")
        for name in ("a", "a%2Fb"):
            assert client.get(f"/files/{name}").json()["by"] == "ada"
        assert client.post("/transfers").json() == {"by": "ada"}
        client.sign_out()


@pytest.mark.long
@pytest.mark.parametrize("path", ["", "/api"])
@pytest.mark.parametrize("server", SERVERS)
def test_a_step_up_goes_through(server: str, path: str, tmp_path: Path) -> None:
    with served(SERVERS[server], path, tmp_path) as url:
        steps_up(url)


def test_a_sample_of_them(tmp_path: Path) -> None:
    with served(SERVERS["granian"], "/api", tmp_path) as url:
        steps_up(url)
