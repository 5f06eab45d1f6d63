"""How often `RedisStore` asks Redis, and what it does when somebody else was faster."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from support.redis_server import RedisServer
from support.redis_stores import first_use, name_in_redis, opened
from support.stores import NOW, increment, key, live, put
from upstile.server import StorageUnavailable
from upstile.server.storage._stores import Found, Kept, use_once
from upstile.server.storage.redis import RedisStore

pytestmark = pytest.mark.anyio
A, B = key("a"), key("b")


@pytest.fixture
async def store(redis: RedisServer) -> AsyncGenerator[RedisStore]:
    async with opened(redis.url) as store:
        yield store


@pytest.fixture
async def other_node(redis: RedisServer) -> AsyncGenerator[RedisStore]:
    async with opened(redis.url) as store:
        yield store


async def test_new_keys_cost_one_round_trip_however_many(store: RedisStore) -> None:
    before = store.round_trips
    assert await use_once(store, [key(str(number)) for number in range(7)], NOW + 60, NOW) is None
    assert store.round_trips - before == 1


async def test_what_this_node_wrote_last_costs_one_round_trip(store: RedisStore) -> None:
    await put(store, {A: live(b"1"), B: live(b"1")})
    before = store.round_trips
    await put(store, {A: live(b"2"), B: None})
    await put(store, {A: live(b"3"), B: live(b"3")})
    assert store.round_trips - before == 2


async def test_what_another_node_wrote_costs_two(store: RedisStore, other_node: RedisStore) -> None:
    assert await increment(other_node, "counter") == 1
    before = store.round_trips
    assert await increment(store, "counter") == 2
    assert store.round_trips - before == 2


async def test_reading_many_keys_costs_one(store: RedisStore) -> None:
    await put(store, {A: live(), B: live()})
    before = store.round_trips
    assert await store.get_many([A, B, A, key("c")], NOW) == {A: live(), B: live()}
    assert store.round_trips - before == 1


async def test_a_guess_is_never_an_answer(store: RedisStore, other_node: RedisStore) -> None:
    """A decision that writes nothing, or raises, upon what was guessed is taken again upon what is there."""
    await put(store, {A: live(b"mine")})
    await put(other_node, {A: live(b"theirs")})
    assert await store.update_many([A], lambda found: ({}, found[A].value), NOW) == b"theirs"

    def only_if_there(found: Found) -> tuple[Kept, bytes]:
        return {}, found[B].value

    await put(other_node, {B: live(b"there")})
    assert await store.update_many([B], only_if_there, NOW) == b"there"
    with pytest.raises(KeyError):
        await store.update_many([key("c")], lambda found: ({}, found[key("c")]), NOW)


async def test_a_forgotten_script_is_sent_again_once(store: RedisStore, redis: RedisServer) -> None:
    assert await increment(store, "counter") == 1
    redis.do("SCRIPT", "FLUSH")
    before = store.round_trips
    assert await increment(store, "counter") == 2
    assert store.round_trips - before == 2
    assert await increment(store, "counter") == 3
    assert store.round_trips - before == 3


async def test_a_script_that_is_flushed_again_and_again_loses_no_update(store: RedisStore, redis: RedisServer) -> None:
    async def flush() -> None:
        for _ in range(40):
            await asyncio.to_thread(redis.do, "SCRIPT", "FLUSH")

    numbers = await asyncio.gather(*(increment(store, "counter") for _ in range(64)), flush())
    assert sorted(number for number in numbers if number is not None) == list(range(1, 65))


async def test_tasks_of_one_node_do_not_get_in_each_others_way(store: RedisStore) -> None:
    """By compare-and-set alone, 64 tasks on one key need some 14 tries each."""
    await increment(store, "counter")
    before = store.round_trips
    await asyncio.gather(*(increment(store, "counter") for _ in range(64)))
    assert store.round_trips - before == 64


async def test_a_record_that_others_change_all_the_time_is_given_up_on(store: RedisStore, redis: RedisServer) -> None:
    """An unbounded loop would be a denial of service."""
    tried = 0

    def overtaken(found: Found) -> tuple[Kept, None]:
        nonlocal tried
        tried += 1
        redis.do("SET", name_in_redis(A), b"\x42" * 8 + b"\x00" + b"%d" % tried)
        return {A: live()}, None

    with pytest.raises(StorageUnavailable, match="changed by others 50 times"):
        await store.update_many([A], overtaken, NOW)
    assert tried == 50


async def test_who_waits_too_long_for_a_turn_is_told_so(redis: RedisServer) -> None:
    async with opened(redis.url, timeout=0.2) as store:
        link = await store._links.here()
        async with link.turns.of([A]):
            with pytest.raises(StorageUnavailable, match="other updates of the same record"):
                await store.update_many([B, A], lambda _: ({}, None), NOW)
            assert await first_use(store, B)
        assert await first_use(store, A)


async def test_callers_who_go_away_cost_no_connection(redis: RedisServer) -> None:
    async with opened(redis.url, connections=2, timeout=30) as store:
        for _ in range(20):
            tasks = [asyncio.create_task(increment(store, str(number))) for number in range(6)]
            for _ in range(3):
                await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(put(store, {key(f"new {number}"): live()}) for number in range(8)))
        assert redis.do("INFO", "clients")["connected_clients"] <= 2 + 2
