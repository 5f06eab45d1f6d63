"""The rows of the load, beside what they have to reach. Each load has a server and a file of its own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory

from benchmarks.load.deployment import PARSERS, Stores, fresh_key, write_people
from benchmarks.load.offering import Offer
from benchmarks.load.running import MOST, Load, percentile, run
from benchmarks.table import Row

SECONDS, QUICK = 6.0, 2.0
MANY_ROUNDS = 10
"""From so many rounds on that the other parts do, a load lasts `SECONDS`."""
USUAL, BEYOND = 100.0, 600.0
"""Step-ups a second that one process carries easily, and such that it does not."""
CLIENTS = 8
"""Clients at a time that find out how many step-ups a second there are: enough to keep a process busy."""


class Bench:
    """Makes loads: the people are enrolled once, and each load has a copy of the file that knows them.

    Args:
        folder: for everything.
        seconds: how long each load lasts.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        self._people = folder / "people.json"
        self._stores = Stores(storage=f"sqlite:///{folder / 'template.db'}", secret_key=fresh_key())
        self._most = min(MOST, int(BEYOND * seconds))
        write_people(self._stores, self._most, self._people)

    def load(self, name: str, *, rate: float | None = None, clients: int = 0, loop: str = "asyncio") -> Load:
        """Put load on a fresh server."""
        file = self._folder / f"{name}.db"
        copy(self._folder / "template.db", file)
        most = self._most if rate is None else min(self._most, int(rate * self._seconds))
        offer = Offer(kind="step-up", rate=rate, clients=clients, seconds=self._seconds, most=most)
        return run(replace(self._stores, storage=f"sqlite:///{file}"), self._people, offer, loop=loop)


def load_rows(rounds: int) -> Iterator[Row]:
    """One process with SQLite: as much as it can, a usual load, and more than it can."""
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder), SECONDS if rounds >= MANY_ROUNDS else QUICK)
        for loop in PARSERS:
            yield from _capacity(bench.load(f"most-{loop}", clients=CLIENTS, loop=loop), f"{loop} + {PARSERS[loop]}")
        yield from _usual(bench.load("usual", rate=USUAL))
        yield from _beyond(bench.load("beyond", rate=BEYOND))


def _capacity(load: Load, server: str) -> Iterator[Row]:
    done = len(load.step_ups.done)
    name = f"step-ups of {CLIENTS} clients, {server}"
    yield Row(name, "a second", load.done_a_second, 400, at_least=True)
    yield Row("  for a second of the server's CPU", "a second", done / load.cpu, None)
    yield Row("  the server's CPU for one, guarded calls included", "ms", 1000 * load.cpu / done, None)
    yield Row("  the server's share of one core", "1", load.cpu / load.step_ups.seconds, None)
    yield Row("  memory after these", "KB a step-up", load.memory / 1024 / done, None)


def _usual(load: Load) -> Iterator[Row]:
    yield Row(
        f"a guarded call while {USUAL:g} step-ups a second run, p50", "ms", percentile(load.guarded.done, 0.5), None
    )
    yield Row("  p99", "ms", percentile(load.guarded.done, 0.99), 2)
    yield Row("  a step-up, three exchanges, p50", "ms", percentile(load.step_ups.done, 0.5), None)
    yield Row("  p99", "ms", percentile(load.step_ups.done, 0.99), None)
    yield Row("  step-ups that did not go through", "of those offered", _lost(load), 0)
    yield Row("  the server's share of one core", "1", load.cpu / load.step_ups.seconds, None)


def _beyond(load: Load) -> Iterator[Row]:
    step_ups, guarded = load.step_ups, load.guarded
    yield Row(f"{BEYOND:g} step-ups a second offered: accepted and done", "a second", load.done_a_second, None)
    yield Row("  accepted and not done", "of those offered", _lost(load), 0)
    yield Row("  the rest gets 503, p50", "ms", percentile(step_ups.refused, 0.5), None)
    yield Row("  p99", "ms", percentile(step_ups.refused, 0.99), 50)
    yield Row("  an accepted step-up, p50", "ms", percentile(step_ups.done, 0.5), None)
    yield Row("  p99", "ms", percentile(step_ups.done, 0.99), None)
    yield Row("  a guarded call, p50", "ms", percentile(guarded.done, 0.5), None)
    yield Row("  p99", "ms", percentile(guarded.done, 0.99), 50)
    yield Row("  the server's share of one core", "1", load.cpu / step_ups.seconds, None)


def _lost(load: Load) -> float:
    """The share of step-ups that neither went through nor were refused at their start."""
    step_ups = load.step_ups
    return 1 - (len(step_ups.done) + len(step_ups.refused)) / step_ups.offered
