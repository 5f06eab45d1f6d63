"""How records lie in Redis: whose clock judges them, for how long they stay, and under which names."""

from collections.abc import AsyncGenerator

import pytest

from support.redis_server import RedisServer
from support.redis_stores import first_use, name_in_redis, opened, used, whole_life
from support.stores import NOW, key, live, put
from upstile.server import StorageUnavailable
from upstile.server.storage._records import GRACE, Record
from upstile.server.storage.redis import RedisStore

pytestmark = pytest.mark.anyio
A, B = key("a"), key("b")
OTHER = "https://other.example"


@pytest.fixture
async def store(redis: RedisServer) -> AsyncGenerator[RedisStore]:
    async with opened(redis.url) as store:
        yield store


async def test_redis_keeps_what_is_used_an_hour_longer_and_the_rest_some_seconds(
    store: RedisStore, redis: RedisServer
) -> None:
    await put(store, {A: used(), B: live()})
    assert 60 + GRACE < whole_life(redis, A) <= 60 + GRACE + 10
    assert 60 < whole_life(redis, B) <= 60 + 10


@pytest.mark.parametrize("away", [-30 * 365 * 86400.0, 3600.0, 30 * 365 * 86400.0])
async def test_the_clock_of_redis_decides_nothing(store: RedisStore, redis: RedisServer, away: float) -> None:
    """By a date, a caller whose clock is behind that of Redis would store nothing at all."""
    now = NOW + away
    await put(store, {A: Record(value=b"", expires_at=now + 60, used=True)}, now)
    assert whole_life(redis, A) > 60
    assert A in await store.get_many([A], now)
    assert not await store.get_many([A], now + 60)


async def test_a_clock_that_is_set_back_an_hour_lets_nothing_in_again(store: RedisStore) -> None:
    late = NOW + 59 + GRACE
    assert await first_use(store, A, NOW)
    # By the clock that is ahead it has expired. Nothing that is done then takes it away.
    assert not await store.get_many([A], late)
    await put(store, {A: None}, late)
    assert not await first_use(store, A, NOW + 59)


async def test_a_record_that_has_expired_already_is_kept_for_its_grace_only(
    store: RedisStore, redis: RedisServer
) -> None:
    await put(store, {A: used(), B: live()}, NOW + 60 + GRACE + 3600)
    assert whole_life(redis, A) <= 0.001
    assert whole_life(redis, B) <= 0.001


async def test_all_bytes_and_an_empty_value_come_back(store: RedisStore, redis: RedisServer) -> None:
    every = Record(value=bytes(range(256)) * 64 + b"\r\n$-1\r\n", expires_at=NOW + 0.125)
    empty = Record(value=b"", expires_at=NOW + 1e9)
    await put(store, {A: every, B: empty})
    # Read by another one, which has not seen them.
    async with opened(redis.url) as another:
        assert await another.get_many([A, B], NOW) == {A: every, B: empty}
        assert await another.update_many([A, B], lambda found: ({}, dict(found)), NOW) == {A: every, B: empty}


async def test_deployments_of_two_issuers_share_a_redis_and_never_meet(store: RedisStore, redis: RedisServer) -> None:
    async with opened(redis.url, OTHER) as other:
        assert await first_use(store, A)
        assert await first_use(other, A)
        assert not await first_use(other, A)
    assert {name_in_redis(A).encode(), name_in_redis(A, OTHER).encode()} <= set(redis.do("KEYS", "*"))


async def test_all_names_of_a_deployment_have_one_tag(store: RedisStore, redis: RedisServer) -> None:
    await put(store, {A: used(), B: live()})
    tags = {name.partition(b"}")[0] for name in redis.do("KEYS", "*")}
    assert tags == {name_in_redis("").partition("}")[0].encode()}


@pytest.mark.parametrize("foreign", [b"x", b"\x00" * 8 + b"\x02", b"a string of somebody else"])
async def test_what_is_not_in_our_format_is_not_guessed_at(
    store: RedisStore, redis: RedisServer, foreign: bytes
) -> None:
    redis.do("SET", name_in_redis(A), foreign)
    with pytest.raises(StorageUnavailable, match="not in the format of this release"):
        await store.get_many([A], NOW)
    with pytest.raises(StorageUnavailable, match="not in the format of this release"):
        await first_use(store, A)
    assert redis.do("GET", name_in_redis(A)) == foreign


async def test_a_decision_that_writes_another_key_is_a_fault_of_the_program(store: RedisStore) -> None:
    with pytest.raises(RuntimeError, match="only keys that update_many was called with"):
        await store.update_many([A], lambda _: ({B: live()}, None), NOW)
