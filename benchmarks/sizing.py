"""What a deployment of some size needs: `uv run python -m benchmarks.sizing [--write]`.

Counted: what a step-up asks of storage. Measured: its CPU, of the server's process alone, beside its signatures and
hashes. Computed: what that makes for many users. PostgreSQL and Redis are started for it, as examples.production does.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psycopg
from rich.console import Console
from rich.markdown import Markdown

from benchmarks.ceremony import CeremonyApp, limit, run_all
from benchmarks.counting import Counted, count, postgresql_gauges, sqlite_gauges
from benchmarks.interleaved import Ratio, Work, measure, ratio
from examples.production.installed import found
from examples.production.parts import free_ports, start_postgresql, start_redis
from examples.production.processes import Processes
from upstile.server.authorization.ceremony._overload import Overload

DOCUMENT = Path(__file__).parents[1] / "docs" / "operating.md"
ROUNDS, TIMES = 15, 10
A_DAY, PEAK, BUSY, A_LOGIN = 2, 5, 0.6, 43_200
"""Step-ups (and one sign-in) a user a day; the busiest second beside the mean; how busy a core may be; seconds that a
base login lives."""
KEPT_FOR = 3_720
"""Seconds for which most of what a step-up keeps is there: two minutes of a proof, and the hour after."""
SIZES = {"SQLite": 10_000, "PostgreSQL": 1_000_000, "PostgreSQL and Redis": 100_000_000}
"""The storage of a deployment, and how many users the calculation gives it."""

Deployed = dict[str, tuple[Counted, Ratio, float]]
"""By storage: what was counted, its CPU beside the signatures and hashes, and in milliseconds."""


def main() -> int:
    """Count, measure, compute, show."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/operating.md")
    options = parser.parse_args()
    # While the others take their turn a loop stands still, which would look like a server that is overloaded.
    Overload.lets_in = lambda _: True  # type: ignore[method-assign, assignment]
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        deployed = measured(Path(folder), ROUNDS)
    for name, text in {"counted": counted_table(deployed), "computed": computed_table(deployed)}.items():
        Console().print(Markdown(text))
        if options.write:
            _write(name, text)
    return 0


def measured(folder: Path, rounds: int) -> Deployed:
    """Count and measure on all storages; their CPU in turns."""
    folder.chmod(0o711)  # PostgreSQL may be another user
    processes, programs = Processes(folder), found()
    database_port, redis_port = free_ports(2)
    try:
        database = start_postgresql(processes, programs["initdb"], database_port)
        cache = start_redis(processes, programs["redis-server"], redis_port)
        second = f"{database}?options=-csearch_path%3Dsecond"
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA second")
        file = folder / "state.db"
        apps = {
            "SQLite": (CeremonyApp(f"sqlite:///{file}"), sqlite_gauges(file)),
            "PostgreSQL": (CeremonyApp(database), postgresql_gauges(database)),
            "PostgreSQL and Redis": (CeremonyApp(second, cache), postgresql_gauges(second, cache)),
        }
        with asyncio.Runner() as runner:
            counts = {name: count(app, gauges, runner) for name, (app, gauges) in apps.items()}
            seconds = measure(
                {**{name: _step_ups(app, runner, rounds) for name, (app, _) in apps.items()}, "limit": limit()},
                times=TIMES,
                rounds=rounds,
            )
            for app, _ in apps.values():
                runner.run(app.server._deployment.aclose())
    finally:
        processes.stop(list(processes.running), signal.SIGINT, within=10)
    return {name: (counts[name], ratio(seconds, name, "limit"), median(seconds[name]) * 1000) for name in apps}


def _step_ups(app: CeremonyApp, runner: asyncio.Runner, rounds: int) -> Work:
    """Step-ups for which the app has computed everything before."""
    due = iter([app.prepared() for _ in range(TIMES * (rounds + 1))])

    def work(times: int) -> None:
        runner.run(run_all([next(due) for _ in range(times)]))

    return work


def counted_table(deployed: Deployed) -> str:
    """What a step-up needs, as a table for the document."""
    rows: dict[str, list[str]] = {
        "CPU beside its signatures and hashes": [f"{each.value:.1f}" for _, each, _ in deployed.values()],
        "transactions of the database": _cells(deployed, lambda it: it.transactions),
        "statements, with BEGIN, SET and COMMIT": _cells(deployed, lambda it: it.statements),
        "round trips to PostgreSQL": _cells(deployed, lambda it: it.messages),
        "round trips to Redis": _cells(deployed, lambda it: it.trips),
        "written ahead (KB)": _cells(deployed, lambda it: it.log / 1000),
        "kept in the database, for minutes (KB)": _cells(deployed, lambda it: it.kept / 1000),
        "of that for an hour (KB)": _cells(deployed, lambda it: _thousandth(it.hour)),
        "kept in Redis, for minutes to an hour (KB)": _cells(deployed, lambda it: _thousandth(it.redis)),
        "a base login, 12 hours (KB)": _cells(deployed, lambda it: it.login / 1000),
        "a user in the database (KB)": _cells(deployed, lambda it: it.user / 1000),
        "a user in Redis (KB)": _cells(deployed, lambda it: _thousandth(it.redis_user)),
    }
    return _table(["", *deployed], rows)


def computed_table(deployed: Deployed) -> str:
    """What many users need, computed from that."""
    chosen = [(*deployed[name], users) for name, users in SIZES.items()]
    loads = [_Load(first, third, users) for first, _, third, users in chosen]
    rows = {
        "step-ups a second, mean": [f"{load.mean:,.1f}" for load in loads],
        "in the busiest second": [f"{load.peak:,.0f}" for load in loads],
        "cores for step-ups then": [f"{load.peak * load.milliseconds / 1000 / BUSY:,.1f}" for load in loads],
        "transactions a second then": [f"{load.peak * load.counted.transactions:,.0f}" for load in loads],
        "round trips a second then": [f"{load.trips:,.0f}" for load in loads],
        "written ahead then (MB/s)": [f"{load.peak * load.counted.log / 1e6:,.1f}" for load in loads],
        "one-time state, at most (GB)": [f"{load.one_time / 1e9:,.1f}" for load in loads],
        "users (GB)": [
            f"{load.users * (load.counted.user + (load.counted.redis_user or 0)) / 1e9:,.1f}" for load in loads
        ],
    }
    heads = [f"{users:,} users, {name}" for name, users in SIZES.items()]
    return _table(["", *heads], rows)


@dataclass(frozen=True)
class _Load:
    """What some number of users does."""

    counted: Counted
    milliseconds: float
    users: int

    @property
    def mean(self) -> float:
        """Step-ups a second."""
        return self.users * A_DAY / 86_400

    @property
    def peak(self) -> float:
        """In the busiest second."""
        return self.mean * PEAK

    @property
    def trips(self) -> float:
        """Round trips to PostgreSQL and Redis in the busiest second."""
        return self.peak * ((self.counted.messages or 0) + (self.counted.trips or 0))

    @property
    def people(self) -> float:
        """Bytes of all users."""
        return self.users * (self.counted.user + (self.counted.redis_user or 0))

    @property
    def one_time(self) -> float:
        """Bytes: the step-ups of an hour as busy as the busiest second, and the base logins."""
        each = self.counted.kept + (self.counted.redis or 0)
        return self.peak * KEPT_FOR * each + self.users * self.counted.login * A_LOGIN / 86_400


def _cells(deployed: Deployed, what: Callable[[Counted], float | None]) -> list[str]:
    return ["" if (value := what(each)) is None else f"{value:.1f}" for each, _, _ in deployed.values()]


def _thousandth(value: float | None) -> float | None:
    return None if value is None else value / 1000


def _table(heads: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items())]) + "\n"


def _write(name: str, text: str) -> None:
    before, begin, rest = DOCUMENT.read_text().partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- end of {name} -->")
    if not (begin and end):
        sys.exit(f"{DOCUMENT} has no place for the table {name!r}")
    DOCUMENT.write_text(before + begin + text + end + after)


if __name__ == "__main__":
    sys.exit(main())
