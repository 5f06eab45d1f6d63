"""Runs one load: the server in a process of its own, the step-ups in another, the guarded calls in a third."""

import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep

from benchmarks.load.deployment import Stores
from benchmarks.load.offering import Offer
from benchmarks.load.story import Counts

READY_WITHIN = 60.0
MOST = 6000
"""Step-ups that one load offers at most."""
PROBES = 100.0
"""Guarded calls a second beside the step-ups."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Load:
    """What was measured.

    Attributes:
        step_ups, guarded: what became of both.
        seconds: how long step-ups were offered.
        cpu: what the server's process computed meanwhile, in seconds.
        memory: by how many bytes it grew.
    """

    step_ups: Counts
    guarded: Counts
    seconds: float
    cpu: float
    memory: int

    @property
    def done_a_second(self) -> float:
        """Step-ups that went through, for each second of the whole load."""
        return len(self.step_ups.done) / self.step_ups.seconds


@contextmanager
def serving(stores: Stores, loop: str) -> Generator[tuple[int, int]]:
    """The server; its port and its process."""
    command = [sys.executable, "-m", "benchmarks.load.deployment", json.dumps(asdict(stores)), loop]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            port = int(_line(process))
            _wait(port)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait(20)


def run(stores: Stores, people: Path, step_ups: Offer, *, loop: str = "asyncio", probes: float = PROBES) -> Load:
    """Put load on a server that was just started."""
    guarded = Offer(kind="guarded", rate=probes, seconds=step_ups.seconds, most=int(probes * step_ups.seconds))
    with serving(stores, loop) as (port, pid), ExitStack() as stack:
        offers = [stack.enter_context(_offering(offer, port, people)) for offer in (step_ups, guarded)]
        for process in offers:
            _line(process)  # it is ready
        cpu, memory = _computed(pid), _resident(pid)
        for process in offers:
            _go(process)
        counts = [Counts(**json.loads(_line(process))) for process in offers]
        return Load(
            step_ups=counts[0],
            guarded=counts[1],
            seconds=step_ups.seconds,
            cpu=_computed(pid) - cpu,
            memory=_resident(pid) - memory,
        )


def percentile(values: Iterable[float], share: float) -> float:
    """Of some seconds, in milliseconds; not a number where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000 if ordered else float("nan")


@contextmanager
def _offering(offer: Offer, port: int, people: Path) -> Generator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "benchmarks.load.offering", json.dumps(asdict(offer)), str(port), str(people)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            yield process
        finally:
            process.kill()


def _go(process: "subprocess.Popen[str]") -> None:
    if process.stdin is None:
        raise RuntimeError("no input")
    process.stdin.write("go\n")
    process.stdin.flush()


def _line(process: "subprocess.Popen[str]") -> str:
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line:
        raise RuntimeError("a process of the load has ended early")
    return line


def _computed(pid: int) -> float:
    """Seconds for which a process has computed, all of its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def _wait(port: int) -> None:
    end = monotonic() + READY_WITHIN
    while True:
        connection = HTTPConnection("127.0.0.1", port)
        try:
            connection.request("GET", "/stepup/health/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        if monotonic() > end:
            raise TimeoutError("the server is not ready")
        sleep(0.05)
