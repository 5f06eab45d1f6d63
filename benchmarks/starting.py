"""How long a process takes that imports our client, or that sends one call with what a store has kept.

Processes are measured by their own CPU time, with bytecode that the first of them has written. What httpx imports where
it is installed, such as click and rich for a command line of its own, is hidden from all: it would flatter us.
"""

import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from tempfile import TemporaryDirectory
from threading import Thread
from time import time

from benchmarks.interleaved import Work, measure, ratio
from benchmarks.table import Row
from upstile.client import EntryName, FileStore
from upstile.client.flow.tokens._proof_key import ProofKey
from upstile.client.stores._entry import Entry, StoredLogin, StoredToken

CHALLENGE = 'DPoP error="insufficient_user_authentication", acr_values="mfa", max_age=300, algs="ES256"'
TERMINAL = "1 benchmark"
HIDDEN = "import sys; sys.modules.update(dict.fromkeys(['click', 'rich', 'pygments', 'trio', 'h2', 'socksio'])); "
SEND = f"""
from upstile.client.flow.tokens import _kept
_kept.terminal_session = lambda: {TERMINAL!r}
from upstile.client import FileStore
from upstile.client{{library}} import Client
with Client({{url!r}}, client_id="pay", store=FileStore("pay", folder={{folder!r}})) as bank:
    response = bank.post("/transfers", json={{{{"amount": 50}}}})
assert response.status_code == 201, response
"""
BARE = """
import httpx
with httpx.Client(base_url={url!r}) as bank:
    bank.post("/transfers", json={{"amount": 50}})
"""


def start_rows(rounds: int) -> Iterator[Row]:
    """Each contender is a process."""
    programs = {
        "httpx": "import httpx",
        "ours": "from upstile.client import Client",
        "bare": BARE,
        "httpx2": "import httpx2",
        "ours on httpx2": "from upstile.client.httpx2 import Client",
    }
    with TemporaryDirectory() as folder, TemporaryDirectory() as cache, bank() as url:
        work = {name: _process(program.format(url=url), Path(cache)) for name, program in programs.items()}
        send = SEND.format(library="", url=url, folder=folder)
        work["send"] = _sends(send, Path(folder), url, Path(cache))
        seconds = measure(work, times=1, rounds=rounds, clock=_children)
    yield Row("import upstile.client", "import httpx", ratio(seconds, "ours", "httpx"), 2.5)
    yield Row("import upstile.client.httpx2", "import httpx2", ratio(seconds, "ours on httpx2", "httpx2"), 2.5)
    yield Row("a process that pays, from a kept sign-in", "import httpx", ratio(seconds, "send", "httpx"), 4.0)
    yield Row("  one that sends one call with httpx", "import httpx", ratio(seconds, "bare", "httpx"), None)


def keep(folder: Path, url: str) -> None:
    """Keep a sign-in and an elevated token, as an earlier process has left them."""
    now = time()
    entry = Entry(
        name=(url, url, "pay", "default"),
        key=ProofKey(time).exported(),
        login=StoredLogin(id="1", access_token="BASE", token_type="DPoP", expires_at=now + 3600),
        elevated=(
            StoredToken(
                access_token="ELEVATED",
                resource=url,
                asked=("mfa",),
                acr="mfa",
                proved_at=now,
                kept_at=now,
                expires_at=now + 300,
                terminal=TERMINAL,
            ),
        ),
    )
    name = EntryName(api=url, issuer=url, client_id="pay", profile="default")
    FileStore("pay", folder=folder).change(name, lambda _: entry.written())


@contextmanager
def bank() -> Generator[str]:
    """An API that challenges all but one token, and says what it was sent."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Bank) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()


class _Bank(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        paid = self.headers["Authorization"] == "DPoP ELEVATED" and self.headers["DPoP"] is not None
        self.send_response(201 if paid else 401)
        if not paid:
            self.send_header("WWW-Authenticate", CHALLENGE)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _process(program: str, folder: Path) -> Work:
    command = [sys.executable, "-X", f"pycache_prefix={folder}", "-c", HIDDEN + program]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def work(times: int) -> None:
        for _ in range(times):
            subprocess.run(command, env=environment, check=True)  # noqa: S603

    return work


def _sends(program: str, folder: Path, url: str, cache: Path) -> Work:
    run = _process(program, cache)

    def work(times: int) -> None:
        keep(folder, url)  # good for 300 s, and a run of this takes longer
        run(times)

    return work


def _children() -> float:
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
