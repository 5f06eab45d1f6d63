"""What a lost primary may take with it, and what `WAIT` does about that."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest

from support.proxy import Proxy, proxy_to
from support.redis_server import RedisServer, redis_server, replica_of
from support.redis_stores import first_use, name_in_redis, opened
from support.stores import ISSUER, NOW, increment, key, live, put
from upstile.server import ConfigurationError, StorageUnavailable
from upstile.server.storage._stores import Found, Kept
from upstile.server.storage.redis import RedisStore

pytestmark = pytest.mark.anyio
T = TypeVar("T")
A, B, SESSION, CODE = key("a"), key("b"), key("session"), key("code")


class Pair(NamedTuple):
    """A primary, its replica, and the wire between them."""

    primary: RedisServer
    replica: RedisServer
    wire: Proxy

    def fail_over(self) -> None:
        """The primary is gone; the replica takes its place, without what did not reach it."""
        self.primary.kill()
        self.wire.hang_up()
        self.replica.do("REPLICAOF", "NO", "ONE")


@pytest.fixture
def pair(tmp_path: Path) -> Generator[Pair]:
    with (
        redis_server(tmp_path / "primary") as primary,
        proxy_to(("127.0.0.1", primary.port)) as wire,
        replica_of(tmp_path / "replica", wire.port, primary) as replica,
    ):
        yield Pair(primary, replica, wire)


@pytest.fixture
async def careful(pair: Pair) -> AsyncGenerator[RedisStore]:
    """A store that waits for one replica, however busy the machine is."""
    async with opened(pair.primary.url, replicas=1, wait_ms=20_000) as store:
        yield store


@pytest.fixture
async def hasty(pair: Pair) -> AsyncGenerator[RedisStore]:
    """A store that does not wait long for a replica that is frozen."""
    async with _hasty(pair) as store:
        yield store


@asynccontextmanager
async def _hasty(pair: Pair) -> AsyncGenerator[RedisStore]:
    store = RedisStore(pair.primary.url, ISSUER, replicas=1, wait_ms=100)
    await _patiently(store.prepare)
    yield store
    await store.aclose()


async def test_a_replica_confirms_what_is_written_in_one_round_trip(careful: RedisStore) -> None:
    """The script and WAIT go together, on one connection: on another one WAIT may answer 1 at once."""
    before = careful.round_trips
    assert await first_use(careful, A)
    assert not await first_use(careful, A)
    assert careful.round_trips - before == 2


async def test_with_a_frozen_replica_nobody_is_told_yes(pair: Pair, hasty: RedisStore) -> None:
    pair.replica.freeze()
    told = await asyncio.gather(*(first_use(hasty, A) for _ in range(64)), return_exceptions=True)
    assert True not in told
    with pytest.raises(StorageUnavailable, match=r"0 of 1 replicas .* confirmed a write within 100 ms; it stays"):
        await first_use(hasty, B)
    pair.replica.thaw()
    # What was written stays: the first one lost their code, and nobody gets it a second time.
    assert await _patiently(first_use, hasty, A) is False


async def _patiently(call: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """What is said once the replica has caught up."""
    while True:
        with suppress(StorageUnavailable):
            return await call(*arguments)


async def test_with_a_frozen_replica_none_of_many_connections_says_yes(pair: Pair, hasty: RedisStore) -> None:
    await asyncio.gather(*(_patiently(put, hasty, {key(str(number)): live()}) for number in range(16)))
    pair.replica.freeze()
    told = await asyncio.gather(*(first_use(hasty, key(f"new {n}")) for n in range(16)), return_exceptions=True)
    assert [type(answer) for answer in told] == [StorageUnavailable] * 16


async def test_a_reply_that_is_repeated_waits_for_replicas_as_the_first_one_did(pair: Pair, hasty: RedisStore) -> None:
    """After a 503 the answer comes again. Its decision finds the closed session, writes nothing, and says the code."""

    def issue(found: Found) -> tuple[Kept, bytes]:
        if SESSION in found:
            return {}, found[SESSION].value
        return {SESSION: live(b"the code"), CODE: live()}, b"the code"

    async with _hasty(pair) as other:
        pair.replica.freeze()
        for store in (hasty, hasty, other, other):
            with pytest.raises(StorageUnavailable, match="0 of 1 replicas"):
                await store.update_many([SESSION, CODE], issue, NOW)
        pair.replica.thaw()
        assert await _patiently(other.update_many, [SESSION, CODE], issue, NOW) == b"the code"
    # Newer versions wait only for what the connection itself wrote, so something was.
    assert pair.primary.do("EXISTS", name_in_redis("confirm"))


async def test_what_was_answered_survives_a_failover(pair: Pair, careful: RedisStore, hasty: RedisStore) -> None:
    assert await first_use(careful, A)
    pair.wire.freeze()
    with pytest.raises(StorageUnavailable):
        await first_use(hasty, B)
    pair.fail_over()
    async with opened(pair.replica.url) as promoted:
        assert not await first_use(promoted, A)
        assert await first_use(promoted, B)  # nobody had been told yes


async def test_without_replicas_a_failover_accepts_again_what_had_not_reached_the_replica(pair: Pair) -> None:
    async with opened(pair.primary.url) as store:
        assert await first_use(store, A)
        with pair.primary.client() as client:
            client.set("after", "it")
            assert client.execute_command("WAIT", 1, 10_000) == 1
        pair.wire.freeze()
        assert await first_use(store, B)
    pair.fail_over()
    async with opened(pair.replica.url) as promoted:
        assert not await first_use(promoted, A)
        assert await first_use(promoted, B)
    assert RedisStore.__doc__ is not None
    assert "with `replicas=0` a primary that is lost within moments of a write" in RedisStore.__doc__


async def test_a_promoted_replica_does_not_know_the_script_and_is_told_it(pair: Pair, tmp_path: Path) -> None:
    """One address that leads to the primary of the moment, as Sentinel or a managed service has it."""
    with proxy_to(("127.0.0.1", pair.primary.port)) as address:
        async with opened(f"redis://127.0.0.1:{address.port}", timeout=5) as store:
            assert await increment(store, "counter") == 1
            with pair.primary.client() as client:
                client.set("after", "it")
                assert client.execute_command("WAIT", 1, 10_000) == 1
            pair.fail_over()
            pair.replica.do("SCRIPT", "FLUSH")
            address._upstream = ("127.0.0.1", pair.replica.port)
            await asyncio.to_thread(address.hang_up)
            assert await increment(store, "counter") == 2


async def test_a_start_without_the_replicas_that_are_asked_for_is_refused(tmp_path: Path) -> None:
    with redis_server(tmp_path) as alone:
        store = RedisStore(f"{alone.url}?wait_replicas=1&wait_ms=20", ISSUER)
        with pytest.raises(StorageUnavailable, match="0 of 1 replicas"):
            await store.prepare()
        await store.aclose()


@pytest.mark.parametrize("wrong", [{"replicas": -1}, {"replicas": 1, "wait_ms": 0}])
def test_wait_without_an_end_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match="WAIT takes 0 ms as forever"):
        RedisStore("redis://localhost", ISSUER, **wrong)
