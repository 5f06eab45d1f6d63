"""One store in several event loops, threads and processes: each has connections of its own, and closes them."""

import asyncio
import gc
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.redis_server import RedisServer
from support.redis_stores import first_use, opened
from support.stores import ISSUER, increment, key
from upstile.server.storage.redis import RedisStore

_PROGRAM = """
import asyncio, os, sys
from support.redis_stores import first_use
from support.stores import ISSUER, increment, key
from upstile.server.storage.redis import RedisStore

store = RedisStore(sys.argv[1], ISSUER)
"""


def _connections(server: RedisServer) -> int:
    """How many there are, that of the question not counted."""
    return int(server.do("INFO", "clients")["connected_clients"]) - 1


def _program(server: RedisServer, text: str, *, warns: bool = False) -> list[str]:
    """What another process prints, in which every warning is an error."""
    command = [sys.executable, "-W", "ignore" if warns else "error", "-c", _PROGRAM + text, server.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={"PYTHONPATH": "tests"})  # noqa: S603
    assert done.returncode == 0, done.stderr
    assert warns or done.stderr == ""
    return done.stdout.split()


def test_each_event_loop_has_its_own_connections_and_closes_them(redis: RedisServer) -> None:
    store = RedisStore(redis.url, ISSUER)
    asyncio.run(store.prepare())
    idle = _connections(redis)
    assert [asyncio.run(increment(store, "counter")) for _ in range(3)] == [1, 2, 3]
    assert _connections(redis) == idle
    assert not store._links._links
    gc.collect()  # nothing is left that would warn


def test_nothing_is_left_of_an_event_loop_that_ends_in_the_middle(redis: RedisServer) -> None:
    store = RedisStore(redis.url, ISSUER)

    async def leave() -> None:
        await store.prepare()
        tasks = [asyncio.create_task(increment(store, f"counter {number}")) for number in range(8)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)

    idle = _connections(redis)
    asyncio.run(leave())
    gc.collect()
    assert _connections(redis) == idle
    assert asyncio.run(first_use(store, key("after")))


def test_event_loops_in_threads_share_a_store(redis: RedisServer) -> None:
    store = RedisStore(redis.url, ISSUER)
    asyncio.run(store.prepare())

    async def crowd() -> list[int]:
        return await asyncio.gather(*(increment(store, "counter") for _ in range(16)))

    with ThreadPoolExecutor(4) as pool:
        numbers = [number for done in pool.map(lambda _: asyncio.run(crowd()), range(4)) for number in done]
    assert sorted(numbers) == list(range(1, 65))
    assert not store._links._links


def test_closing_the_store_closes_what_other_event_loops_have(redis: RedisServer) -> None:
    idle, used, end = _connections(redis), threading.Event(), threading.Event()

    async def stay(store: RedisStore) -> None:
        await store.ping()
        used.set()
        await asyncio.to_thread(end.wait)

    async def close() -> None:
        async with opened(redis.url) as store:
            thread = threading.Thread(target=lambda: asyncio.run(stay(store)))
            thread.start()
            try:
                await asyncio.to_thread(used.wait)
                assert _connections(redis) == idle + 2
                await store.aclose()
                assert _connections(redis) == idle
            finally:
                end.set()
                await asyncio.to_thread(thread.join)

    asyncio.run(close())


def test_a_program_that_closes_nothing_ends_without_a_warning(redis: RedisServer) -> None:
    said = _program(redis, "asyncio.run(store.prepare()); print(asyncio.run(increment(store, 'counter')))")
    assert said == ["1"]


def test_an_event_loop_that_is_closed_by_hand_leaves_no_connection_for_another(redis: RedisServer) -> None:
    """The socket of such a loop is closed by the garbage collector, and Python warns of it as of any other."""
    program = """
for _ in range(3):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(store.prepare())
    print(loop.run_until_complete(increment(store, "counter")))
    loop.close()
"""
    said = _program(redis, program, warns=True)
    assert said == ["1", "2", "3"]


_FORK = """
def child(name):
    pid = os.fork()
    if pid == 0:
        try:
            if name == "closes":
                asyncio.run(store.aclose())
                asyncio.run(store.prepare())
            print(asyncio.run(first_use(store, key("parent"))), flush=True)
            print(asyncio.run(first_use(store, key(name))), flush=True)
            asyncio.run(store.aclose())
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0

async def parent(fork):
    await store.prepare()
    link = await store._links.here()
    print(await first_use(store, key("parent")), flush=True)
    fork()
    # The same connection as before, which nobody has read from, written to or closed.
    print(await first_use(store, key("parent")), await store._links.here() is link, flush=True)
"""


@pytest.mark.parametrize("name", ["goes on", "closes"])
def test_a_forked_child_opens_its_own_connections_and_the_parent_keeps_its_own(redis: RedisServer, name: str) -> None:
    said = _program(redis, f"{_FORK}\nasyncio.run(parent(lambda: child({name!r})))")
    assert said == ["True", "False", "True", "False", "True"]


def test_a_child_that_is_forked_between_event_loops_opens_its_own_connections(redis: RedisServer) -> None:
    said = _program(redis, f"{_FORK}\nasyncio.run(parent(lambda: None))\nchild('later')")
    assert said == ["True", "False", "True", "False", "True"]
