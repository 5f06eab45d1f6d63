"""A Redis that is away, frozen, restarted or full, and a network that loses an answer."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from support.proxy import proxy_to
from support.redis_server import RedisServer, redis_server
from support.redis_stores import first_use, opened
from support.stores import NOW, increment, key, live, put
from upstile.server import StorageUnavailable
from upstile.server.storage.redis import RedisStore

pytestmark = pytest.mark.anyio
A, B = key("a"), key("b")


async def test_a_lost_reply_is_no_answer_and_nothing_is_sent_again(redis: RedisServer) -> None:
    """Sent again, the script would find its own write, and the only user of a code would be told it was used."""
    with proxy_to(("127.0.0.1", redis.port)) as proxy:
        async with opened(f"redis://127.0.0.1:{proxy.port}") as store:
            before = store.round_trips
            proxy.lose_reply_to(b"EVALSHA")
            with pytest.raises(StorageUnavailable, match="cannot be reached, or did not answer within 2 s"):
                await first_use(store, A)
            assert proxy.lost.wait(5)
            assert store.round_trips - before == 1
            assert await store.get_many([A], NOW)  # it was written, and it stays
            assert not await first_use(store, A)


async def test_of_64_with_a_reply_lost_nobody_is_told_yes_twice(redis: RedisServer) -> None:
    with proxy_to(("127.0.0.1", redis.port)) as proxy:
        async with opened(f"redis://127.0.0.1:{proxy.port}") as store, opened(redis.url) as other:
            await increment(store, "warm")
            proxy.lose_reply_to(b"EVALSHA")
            told = await asyncio.gather(
                *(first_use(node, A) for node in (store, other) for _ in range(32)), return_exceptions=True
            )
            assert sum(isinstance(answer, StorageUnavailable) for answer in told) == 1
            assert told.count(True) <= 1
            assert told.count(False) == 64 - 1 - told.count(True)


async def test_a_connection_that_was_cut_while_nobody_used_it_is_made_anew(redis: RedisServer) -> None:
    with proxy_to(("127.0.0.1", redis.port)) as proxy:
        async with opened(f"redis://127.0.0.1:{proxy.port}") as store:
            await asyncio.gather(*(put(store, {key(str(number)): live()}) for number in range(8)))
            made = proxy.accepted
            await asyncio.to_thread(proxy.hang_up)
            await asyncio.gather(*(put(store, {key(str(number)): live(b"2")}) for number in range(8)))
            assert proxy.accepted > made


_CALLS: dict[str, Callable[[RedisStore], Awaitable[object]]] = {
    "get_many": lambda store: store.get_many([A], NOW),
    "update_many": lambda store: first_use(store, A),
    "ping": lambda store: store.ping(),
}


@pytest.mark.parametrize("call", _CALLS)
async def test_a_frozen_redis_is_unavailable_and_nobody_hangs(tmp_path: Path, call: str) -> None:
    with redis_server(tmp_path) as server:
        async with opened(server.url, timeout=0.3, connections=4) as store:
            server.freeze()
            # More than there are connections, and all on one key: none of them waits for all the others.
            async with asyncio.timeout(60):
                told = await asyncio.gather(*(_CALLS[call](store) for _ in range(200)), return_exceptions=True)
            assert [type(answer) for answer in told] == [StorageUnavailable] * 200
            server.thaw()
            assert await first_use(store, B)


@pytest.mark.parametrize("call", _CALLS)
async def test_a_redis_that_is_away_is_unavailable_until_it_is_back(tmp_path: Path, call: str) -> None:
    with redis_server(tmp_path) as server:
        async with opened(server.url) as store:
            await asyncio.to_thread(server.kill)  # so that this event loop hears of it
            with pytest.raises(StorageUnavailable, match=rf"Redis at redis://127.0.0.1:{server.port}/0 cannot be"):
                await _CALLS[call](store)
            server.start()
            await _CALLS[call](store)


async def test_a_restart_forgets_nothing_with_an_append_only_file(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server:
        async with opened(server.url) as store:
            assert await first_use(store, A)
            await asyncio.to_thread(server.kill)  # so that this event loop hears of it
            server.start()
            assert not await first_use(store, A)
            assert await first_use(store, B)


async def test_a_restart_without_one_forgets_all_as_the_documentation_says(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        async with opened(server.url) as store:
            assert await first_use(store, A)
            await asyncio.to_thread(server.kill)  # so that this event loop hears of it
            server.start()
            assert await first_use(store, A)  # this node remembers what it wrote, and does not believe it
    assert RedisStore.__doc__ is not None
    assert "`appendonly yes` forgets all" in RedisStore.__doc__


async def test_a_full_redis_takes_nothing_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--maxmemory-policy", "noeviction") as server:
        async with opened(server.url) as store:
            await put(store, {A: live(b"1")})
            server.do("CONFIG", "SET", "maxmemory", 1)
            with pytest.raises(StorageUnavailable, match="has no memory left and takes no writes: raise its maxmemory"):
                await put(store, {A: live(b"2"), B: live(b"2")})
            assert await store.get_many([A, B], NOW) == {A: live(b"1")}
            server.do("CONFIG", "SET", "maxmemory", 0)
            assert await first_use(store, B)


async def test_too_few_replicas_and_a_demoted_primary_are_named(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        async with opened(server.url) as store:
            server.do("CONFIG", "SET", "min-replicas-to-write", 1)
            with pytest.raises(StorageUnavailable, match="more of its replicas are connected"):
                await first_use(store, A)
            server.do("CONFIG", "SET", "min-replicas-to-write", 0)
            server.do("REPLICAOF", "127.0.0.1", server.port)
            with pytest.raises(StorageUnavailable, match="read-only replica now: name the primary in one_time="):
                await first_use(store, A)
            server.do("CONFIG", "SET", "replica-serve-stale-data", "no")
            with pytest.raises(StorageUnavailable, match="has lost its primary"):
                await store.ping()
            server.do("REPLICAOF", "NO", "ONE")
            assert await first_use(store, A)


async def test_a_redis_that_cannot_save_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with redis_server(folder) as server:
        async with opened(server.url) as store:
            server.do("CONFIG", "SET", "save", "3600 1")
            (folder / "dump.rdb").mkdir()  # a directory stands where the file has to go
            server.do("BGSAVE")
            server.await_log("Background saving error")
            with pytest.raises(StorageUnavailable, match="cannot save to its disk"):
                await first_use(store, A)


async def test_a_redis_that_loads_its_data_is_named(tmp_path: Path) -> None:
    slow = ("--rdbcompression", "no", "--key-load-delay", "20000")
    with redis_server(tmp_path, *slow) as server:
        async with opened(server.url) as store:
            server.do("EVAL", "for i = 1, 150 do redis.call('SET', i, string.rep('x', 100000)) end", 0)
            server.do("SAVE")
            await asyncio.to_thread(server.kill)
            server.start(ready="Loading RDB produced by")
            with pytest.raises(StorageUnavailable, match="still loading its data"):
                await store.ping()


async def test_an_unending_script_of_somebody_else_is_named(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        async with opened(server.url, timeout=30) as store:
            server.do("CONFIG", "SET", "lua-time-limit", 1)
            endless = asyncio.create_task(asyncio.to_thread(_endless, server))
            with pytest.raises(StorageUnavailable, match="busy with a script"):
                await _until_refused(store)
            server.do("SCRIPT", "KILL")
            await endless


async def _until_refused(store: RedisStore) -> None:
    while True:
        await store.ping()


def _endless(server: RedisServer) -> None:
    with pytest.raises(ResponseError, match="SCRIPT KILL"):
        server.do("EVAL", "while true do end", 0)
