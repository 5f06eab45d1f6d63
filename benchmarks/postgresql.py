"""What an update costs in PostgreSQL: `uv run python -m benchmarks.postgresql URL`, with the URL of an empty database.

The peer is the same recipe as one writes it down: psycopg's cursors, one statement after the other. The
server should write to its disk as in production (`fsync=on`), and be the same for both.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from hashlib import sha256
from typing import Any

import psycopg
from rich.console import Console

from benchmarks.interleaved import Work, measure, ratio
from benchmarks.table import Row, show
from upstile.server.storage._records import OneTimeKey, Record
from upstile.server.storage._stores import Found, Kept
from upstile.server.storage.postgresql import PostgresStore
from upstile.server.storage.postgresql._link import Link

NOW = 1_800_000_000.0
PADDING = b" " * 190
CROWD = 16
ROUNDS, QUICK = 15, 3
TIMES = 320

Update = Callable[[OneTimeKey], Awaitable[object]]


def _counted(found: Found, key: OneTimeKey) -> tuple[Kept, int]:
    number = int(found[key].value) + 1 if key in found else 1
    return {key: Record(value=b"%d" % number + PADDING, expires_at=NOW + 60)}, number


def _by_store(store: PostgresStore) -> Update:
    return lambda key: store.update_many([key], lambda found: _counted(found, key), NOW)


def _by_cursors(connections: "list[psycopg.AsyncConnection[Any]]") -> Update:
    """The recipe as one writes it down; `connections` are those that nobody uses."""

    async def update(key: OneTimeKey) -> None:
        number = int.from_bytes(sha256(key.encode()).digest()[:8], "big", signed=True)
        connection = connections.pop()
        async with connection.transaction(), connection.cursor() as cursor:
            await cursor.execute("SET LOCAL lock_timeout = '2s'")
            await cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
            await cursor.execute(
                "SELECT value, expires_at FROM upstile_one_time WHERE key = %s AND expires_at > %s", [key, NOW]
            )
            row = await cursor.fetchone()
            found = {key: Record(value=bytes(row[0]), expires_at=row[1])} if row else {}
            record = _counted(found, key)[0][key]
            assert record is not None
            await cursor.execute(
                "INSERT INTO upstile_one_time VALUES (%s, %s, %s, %s) ON CONFLICT (key) DO UPDATE SET"
                " value = excluded.value, expires_at = excluded.expires_at, kept_until = excluded.kept_until",
                [key, record.value, record.expires_at, record.kept_until],
            )
        connections.append(connection)

    return update


async def _together(update: Update, keys: list[OneTimeKey], times: int) -> None:
    async def one(key: OneTimeKey) -> None:
        for _ in range(times // len(keys)):
            await update(key)

    await asyncio.gather(*map(one, keys))


def rows(runner: asyncio.Runner, url: str, rounds: int, console: Console) -> Iterator[Row]:
    """One task, a crowd with a key each, a crowd with one key."""
    store = PostgresStore(url, "https://as.example", connections=CROWD)
    runner.run(store.prepare())
    connect = psycopg.AsyncConnection.connect
    connections = [runner.run(connect(url, autocommit=True, prepare_threshold=None)) for _ in range(CROWD)]
    own = [OneTimeKey(f"used:{number:040x}") for number in range(CROWD)]
    crowds = {"1 task": own[:1], f"{CROWD} tasks, own keys": own, f"{CROWD} tasks, one key": own[:1] * CROWD}
    updates = {"store": _by_store(store), "cursors": _by_cursors(connections)}
    for name, keys in crowds.items():

        def work(update: Update, keys: list[OneTimeKey] = keys) -> Work:
            return lambda times: runner.run(_together(update, keys, times))

        seconds = measure({each: work(update) for each, update in updates.items()}, times=TIMES, rounds=rounds)
        yield Row(f"update_many, {name}", "the recipe by cursors", ratio(seconds, "store", "cursors"), None)
        for each, update in updates.items():
            _tell(console, runner, f"{name}, {each}", update, keys)
    for connection in connections:
        runner.run(connection.close())
    runner.run(store.aclose())


def _tell(console: Console, runner: asyncio.Runner, name: str, update: Update, keys: list[OneTimeKey]) -> None:
    """Absolute numbers of this machine today, for the eye only."""
    latencies: list[float] = []
    messages: list[int] = []
    ask = Link.ask

    async def timed(key: OneTimeKey) -> None:
        began = time.perf_counter()
        await update(key)
        latencies.append(time.perf_counter() - began)

    async def counted(link: Link, *statements: str) -> Any:
        messages.append(1)
        return await ask(link, *statements)

    began, busy = time.perf_counter(), time.process_time()
    runner.run(_together(timed, keys, TIMES * 5))
    took, busy = time.perf_counter() - began, time.process_time() - busy
    Link.ask = counted  # type: ignore[method-assign, assignment]
    runner.run(_together(update, keys, TIMES))
    Link.ask = ask  # type: ignore[method-assign]
    latencies.sort()
    trips = f", {len(messages) / TIMES:.1f} messages" if messages else ""
    console.print(
        f"{name}: {len(latencies) / took:.0f}/s, p99 {latencies[int(len(latencies) * 0.99)] * 1000:.1f} ms,"
        f" {busy / len(latencies) * 1e6:.0f} µs of this process's CPU{trips}"
    )


def main() -> None:
    """Measure, and show ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.postgresql", description=__doc__)
    parser.add_argument("url", help="an empty database")
    parser.add_argument("--quick", action="store_true", help="a few rounds: to see that it works, not how fast")
    options = parser.parse_args()
    console = Console()
    with asyncio.Runner() as runner:
        show(list(rows(runner, options.url, QUICK if options.quick else ROUNDS, console)), console)


if __name__ == "__main__":
    main()
