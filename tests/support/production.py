"""The production example, run as an operator runs it, and as much of it as a test needs."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM
from tempfile import TemporaryDirectory

from examples.production import parts
from examples.production.installed import NotInstalled, found
from examples.production.processes import Processes
from support.installed import missing

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "examples.production"]
_LINE = re.compile(r"  (?P<name>\S+) +pid (?P<pid>\d+) +127\.0\.0\.1:(?P<port>\d+)")
_WITHIN = 180.0


def programs() -> dict[str, str]:
    """What the example needs; without it the test fails in CI and is skipped elsewhere."""
    try:
        return found()
    except NotInstalled as error:
        missing("a part of the example", str(error))


@contextmanager
def nginx_before(nodes: list[int], rules: Path = parts.PROXY_RULES, port: int | None = None) -> Generator[int]:
    """nginx before processes that listen at these ports, by the rules of a file; the port that it listens at."""
    listens_at = parts.free_ports(1)[0] if port is None else port
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        processes = Processes(Path(folder))
        parts.start_nginx(processes, programs()["nginx"], listens_at, nodes, rules)
        try:
            processes.wait("nginx", lambda: _listens(listens_at))
            yield listens_at
        finally:
            processes.stop(["nginx"], SIGTERM, within=10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Running:
    """The script, and what it said."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.said = ""
        self._more = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def url(self) -> str:
        """Where nginx listens."""
        return str(re.findall(r"The bank is at (\S+)", self.said)[0])

    @property
    def folder(self) -> Path:
        """Where everything lies."""
        return Path(re.findall(r"Logs are in (\S+)", self.said)[0])

    @property
    def pids(self) -> dict[str, int]:
        """What runs, by name."""
        return {match["name"]: int(match["pid"]) for match in _LINE.finditer(self.said)}

    @property
    def ports(self) -> dict[int, str]:
        """What listens, by port."""
        return {int(match["port"]): match["name"] for match in _LINE.finditer(self.said)}

    def requests(self, path: str) -> list[str]:
        """Which node answered the requests for a path, so far."""
        lines = (self.folder / "nginx-access.log").read_text().splitlines()
        answered = [line.split()[-1] for line in lines if line.split()[1] == path]
        return [self.ports[int(address.rpartition(":")[2])] for address in answered]

    def await_words(self, words: str) -> None:
        """Wait until it has said this."""
        with self._more:
            assert self._more.wait_for(lambda: words in self.said, _WITHIN), self.said

    def ended(self) -> int:
        """Wait for its end; its exit code."""
        return self.process.wait(_WITHIN)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                with self._more:
                    self.said += line
                    self._more.notify_all()


@contextmanager
def started(**environment: str) -> Generator[Running]:
    """The script, begun; whatever it leaves is ended."""
    pipe, into = subprocess.PIPE, subprocess.STDOUT
    process = subprocess.Popen(  # noqa: S603
        COMMAND, cwd=ROOT, env={**os.environ, **environment}, stdout=pipe, stderr=into, text=True
    )
    try:
        yield Running(process)
    finally:
        process.terminate()  # not killed: it ends what it started
        process.wait(_WITHIN)
