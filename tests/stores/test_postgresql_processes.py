"""One store in several event loops, threads and processes; and the housekeeping of several nodes."""

import asyncio
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from support.databases import execute, opened
from support.stores import ISSUER, NOW, increment
from upstile.server import StorageUnavailable
from upstile.server.storage._records import GRACE, Revocation
from upstile.server.storage.postgresql import PostgresStore
from upstile.server.storage.postgresql._sweep import ROWS, TRANSACTIONS

_ROOT = Path(__file__).parents[2]


def _run(program: str, *arguments: str) -> str:
    """What a program prints in a process in which every warning is an error, also one at the very end."""
    environment = {**os.environ, "PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'tests'}"}
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)  # noqa: S603
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout


def _sessions(url: str) -> int:
    """Clients' sessions; a vacuum that the server runs by itself is none."""
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'"
    )
    return int(execute(url, query)[0][0])


def _sessions_end(url: str) -> bool:
    """A closed connection is a session for the moment that its server process needs to go."""
    deadline = time.monotonic() + 10
    while _sessions(url) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not _sessions(url)


LOOPS = """
import asyncio, gc, sys
from support.databases import execute
from support.stores import ISSUER, increment
from upstile.server.storage.postgresql import PostgresStore

store = PostgresStore(sys.argv[1], ISSUER)
asyncio.run(store.prepare())
for number in range(1, 6):
    assert asyncio.run(increment(store, "counter")) == number
    asyncio.run(store.secret("names", b"made"))
    gc.collect()
sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'upstile' AND datname = current_database()"
print(execute(sys.argv[1], sessions)[0][0])
"""


def test_a_store_that_is_used_in_one_loop_after_another_leaves_no_connection_behind(postgres_url: str) -> None:
    """One of the last event loop, one of the rare operations; and no warning though nobody closed the store."""
    assert _run(LOOPS, postgres_url).strip() == "2"


def test_several_loops_at_once_use_a_store(postgres_url: str) -> None:
    store = PostgresStore(postgres_url, ISSUER)
    asyncio.run(store.prepare())

    async def several() -> list[int]:
        return [await increment(store, "counter") for _ in range(10)]

    with ThreadPoolExecutor(4) as pool:
        numbers = [number for found in pool.map(lambda _: asyncio.run(several()), range(8)) for number in found]
    assert sorted(numbers) == list(range(1, 81))
    store.tidy(NOW)
    asyncio.run(store.aclose())
    assert _sessions_end(postgres_url)


FORK = """
import asyncio, gc, os, sys
from support.databases import execute
from support.stores import ISSUER, increment
from upstile.server.storage.postgresql import PostgresStore

store = PostgresStore(sys.argv[1], ISSUER)

async def work():
    return await increment(store, "counter"), await store.secret("names", b"made")

def sessions():
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'upstile' AND datname = current_database()"
    return set(execute(sys.argv[1], query))

def be_the_child(number):
    try:
        assert asyncio.run(work()) == (number, b"made")
        asyncio.run(store.aclose())
        gc.collect()
        os._exit(0)
    except BaseException as error:
        sys.stderr.write(repr(error))
        os._exit(1)

with asyncio.Runner() as runner:
    runner.run(store.prepare())
    assert runner.run(work()) == (1, b"made")
    ours = sessions()
    for number in (2, 4):
        child = os.fork() or be_the_child(number)
        assert os.waitpid(child, 0)[1] == 0
        assert runner.run(work()) == (number + 1, b"made")
        assert ours <= sessions()  # the child has got these connections too, and has said no goodbye on them
    runner.run(store.aclose())
print("done")
"""


def test_a_forked_process_opens_its_own_connections_and_leaves_its_parents_alone(postgres_url: str) -> None:
    assert _run(FORK, postgres_url).strip() == "done"


@pytest.mark.anyio
async def test_nodes_sweep_what_is_over_side_by_side_and_wait_for_nobody(postgres_url: str) -> None:
    rows = (
        "INSERT INTO upstile_one_time SELECT 'used:' || number, '', {end}, {end} + number * 1e-6"
        " FROM generate_series({first}, {last}) AS number"
    )
    async with opened(postgres_url) as one, opened(postgres_url) as two, opened(postgres_url) as three:
        over = ROWS * (TRANSACTIONS + 1)
        execute(postgres_url, rows.format(end=NOW - 60, first=1, last=over))
        execute(postgres_url, rows.format(end=NOW + 60, first=over + 1, last=over + 10))
        with psycopg.connect(postgres_url) as connection:
            connection.execute("SELECT key FROM upstile_one_time WHERE key = 'used:1' FOR UPDATE")
            await asyncio.to_thread(one.tidy, NOW)
            left = execute(postgres_url, "SELECT count(*) FROM upstile_one_time")[0][0]
            assert left == 10 + ROWS  # bounded
            await asyncio.gather(*(asyncio.to_thread(store.tidy, NOW) for store in (one, two, three)))
            found = execute(postgres_url, "SELECT key FROM upstile_one_time WHERE kept_until <= %s", NOW)
            assert found == [("used:1",)]
        await asyncio.to_thread(two.tidy, NOW)
        assert execute(postgres_url, "SELECT count(*) FROM upstile_one_time")[0][0] == 10


@pytest.mark.anyio
async def test_the_sweep_takes_dead_entries_of_the_log(postgres_url: str) -> None:
    async with opened(postgres_url) as store:
        await store.revoke(Revocation(kind="token", name="t", expires_at=int(NOW)))
        await asyncio.to_thread(store.tidy, NOW + GRACE + 1)
        assert execute(postgres_url, "SELECT count(*) FROM upstile_revocations")[0][0] == 0


@pytest.mark.anyio
async def test_housekeeping_of_a_closed_store_says_so(postgres_url: str) -> None:
    async with opened(postgres_url) as store:
        pass
    with pytest.raises(StorageUnavailable, match="closed"):
        store.tidy(NOW)
