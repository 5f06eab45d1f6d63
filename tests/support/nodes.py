"""The bank as several real processes over one storage: they share it and nothing else."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic, sleep

import httpx

from support.clocks import SharedClock
from support.node_faults import Fault
from support.wire_driver import URL, WireApp
from upstile.server.keys._secret_keys import new_key

_ROOT = Path(__file__).parents[2]
_WITHIN = 30.0


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What the nodes of a deployment share.

    Attributes:
        storage, one_time: as `StepUp.embedded` takes them.
        clock: theirs and the test's.
        url: the public base URL, wherever the nodes listen.
        shared_storage: whether other deployments keep their state there, too.
        mails: a folder that sent codes go to; with it there are mailed codes and recovery codes.
        keeper: seconds between two rounds of the background thread; `None` leaves it as it is.
    """

    storage: str
    one_time: str | None = None
    clock: SharedClock
    url: str = URL
    shared_storage: bool = False
    keeper: float | None = None
    mails: str | None = None
    secret_keys: str = field(default_factory=lambda: new_key().decode(), repr=False)

    def asked(self) -> str:
        """As a line for the program."""
        return json.dumps({**self.__dict__, "clock": str(self.clock.path)}) + "\n"


class Node:
    """One process of the bank.

    Args:
        pid: its process.
        port: where it listens, on 127.0.0.1.
    """

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port
        self._handle = os.pidfd_open(pid)

    @property
    def url(self) -> str:
        """Where it is reached directly."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def lives(self) -> bool:
        """Whether its process has not ended."""
        return not select.select([self._handle], [], [], 0)[0]

    def send(self, number: signal.Signals) -> None:
        """Send its process a signal."""
        signal.pidfd_send_signal(self._handle, number)

    def kill(self) -> None:
        """End it as a crash does, and wait until it has ended."""
        if self.lives:
            self.send(signal.SIGKILL)
        self.await_end()

    def await_end(self) -> None:
        """Wait until its process has ended."""
        assert select.select([self._handle], [], [], _WITHIN)[0], f"node {self.pid} does not end"

    def await_stop(self) -> None:
        """Wait until its process has stopped."""
        until = monotonic() + _WITHIN
        while Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            assert monotonic() < until, f"node {self.pid} does not stop"
            sleep(0.01)

    def arm(self, fault: Fault) -> None:
        """Tell it where it will end, or stop, by itself."""
        httpx.post(f"{self.url}/_fault", json=fault.model_dump(), timeout=_WITHIN).raise_for_status()

    def await_ready(self) -> None:
        """Wait until it serves: what comes before that waits for it."""
        assert httpx.get(f"{self.url}/stepup/health/ready", timeout=_WITHIN).status_code == 200

    def close(self) -> None:
        """End it, whatever state it is in."""
        self.kill()
        os.close(self._handle)


class NodeProgram:
    """Starts nodes, quickly: all are forked from one process that has imported everything."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def start(self, shared: Shared) -> Node:
        """A node that begins to serve."""
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        assert pipe_in is not None
        assert pipe_out is not None
        pipe_in.write(shared.asked())
        pipe_in.flush()
        pid, port = pipe_out.readline().split()
        return Node(int(pid), int(port))

    @contextmanager
    def running(self, shared: Shared, number: int = 3) -> Generator[list[Node]]:
        """Nodes that serve, for the length of a block; they begin at the same moment."""
        nodes = [self.start(shared) for _ in range(number)]
        try:
            for node in nodes:
                node.await_ready()
            yield nodes
        finally:
            for node in nodes:
                node.close()


@contextmanager
def node_program() -> Generator[NodeProgram]:
    """The process that nodes are forked from."""
    environment = {**os.environ, "PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'tests'}"}
    command = [sys.executable, "-m", "support.node_program"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=_ROOT, env=environment)  # noqa: S603
    try:
        yield NodeProgram(process)
    finally:
        process.communicate(timeout=_WITHIN)


@dataclass(frozen=True)
class Cluster:
    """Three nodes, and a way to speak to each.

    Attributes:
        shared: what the nodes share.
        nodes: the processes.
        ways: a connection to each of them.
    """

    shared: Shared
    nodes: list[Node]
    ways: list[httpx.AsyncClient]

    def new_app(self, node: int = 0) -> WireApp:
        """An app that speaks to one of the nodes; nobody is signed in yet."""
        return WireApp(self.ways[node], self.shared.clock, url=self.shared.url)

    async def enrolled_app(self) -> WireApp:
        """An app, signed in, with an authenticator app enrolled."""
        app = self.new_app()
        await app.sign_in()
        assert (await app.enroll_totp()).status_code == 200
        return app

    def everywhere(self, app: WireApp) -> list[WireApp]:
        """The same app, as it speaks to each of the nodes."""
        return [replace(app, http=way) for way in self.ways]

    def at(self, app: WireApp, node: int) -> WireApp:
        """The same app, as it speaks to one of them."""
        return replace(app, http=self.ways[node])


@asynccontextmanager
async def cluster(program: NodeProgram, shared: Shared, number: int = 3) -> AsyncGenerator[Cluster]:
    """Nodes over one storage, for the length of a block."""
    with program.running(shared, number) as nodes:
        async with AsyncExitStack() as stack:
            clients = [httpx.AsyncClient(base_url=node.url, timeout=60) for node in nodes]
            for client in clients:
                await stack.enter_async_context(client)
            yield Cluster(shared, nodes, clients)
