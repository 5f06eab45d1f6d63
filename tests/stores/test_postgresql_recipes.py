"""PostgreSQL's traps: each test fails when the recipe against its trap is left out."""

import asyncio
from collections import Counter
from collections.abc import Awaitable

import pytest
from psycopg.pq.abc import PGresult

from support.databases import database_of, execute, hang_up_all, locked, opened, until_it_waits, waiting
from support.stores import NOW, USER, Place, authenticator, enrol, increment, key, live, put, use
from upstile.server import StorageUnavailable
from upstile.server.storage._records import OneTimeKey, Record
from upstile.server.storage._stores import Found, Kept, use_once
from upstile.server.storage._transactions import lock_number
from upstile.server.storage.postgresql import PostgresStore
from upstile.server.storage.postgresql._link import Link

pytestmark = pytest.mark.anyio


@pytest.fixture
def strict_url(postgres_url: str) -> str:
    """A database in which the role's own transactions are of the kind that fails instead of waiting."""
    database = database_of(postgres_url)
    execute(
        postgres_url,
        f"ALTER ROLE postgres IN DATABASE {database} SET default_transaction_isolation = 'repeatable read'",
    )
    assert execute(postgres_url, "SHOW transaction_isolation") == [("repeatable read",)]
    return postgres_url


@pytest.mark.long
async def test_no_increment_of_three_processes_is_lost_whatever_the_role_prefers(strict_url: str) -> None:
    printed = await asyncio.to_thread(Place("postgresql", strict_url).together, 3, "increment")
    numbers = sorted(int(line) for lines in printed for line in lines)
    assert len(numbers) > 64
    assert numbers == list(range(1, len(numbers) + 1))


async def test_of_three_processes_one_uses_a_thing_whatever_the_role_prefers(strict_url: str) -> None:
    printed = await asyncio.to_thread(Place("postgresql", strict_url).together, 3, "use-once")
    assert sorted(lines[0] for lines in printed) == ["0", "0", "1"]


@pytest.mark.parametrize("job", ["use", "settle"])
async def test_of_three_processes_one_is_first_whatever_the_role_prefers(strict_url: str, job: str) -> None:
    async with opened(strict_url) as store:
        await enrol(store, authenticator())
    printed = await asyncio.to_thread(Place("postgresql", strict_url).together, 3, job)
    assert sorted(lines[0] for lines in printed) == ["0", "0", "1"]


async def test_two_nodes_take_the_same_locks_in_the_same_order(postgres_url: str) -> None:
    """In the order of the callers they would wait for each other until one is refused."""
    keys = [key(str(number)) for number in range(6)]
    orders = [keys, keys[::-1], sorted(keys), sorted(keys)[::-1]]
    assert sorted(keys) != sorted(keys, key=lambda each: lock_number("one-time", each))

    async def count(store: PostgresStore, order: list[OneTimeKey]) -> None:
        def decide(found: Found) -> tuple[Kept, None]:
            value = int(found[keys[0]].value) if found else 0
            return dict.fromkeys(keys, live(b"%d" % (value + 1))), None

        await store.update_many(order, decide, NOW)

    async with opened(postgres_url) as one, opened(postgres_url) as other:
        await asyncio.gather(*(count(store, order) for store in (one, other) for order in orders for _ in range(10)))
        assert await one.get_many(keys, NOW) == dict.fromkeys(keys, live(b"80"))


async def test_who_waits_for_a_busy_user_holds_one_connection_and_is_told_to_try_again(postgres_url: str) -> None:
    async with opened(postgres_url, connections=2) as store:
        with locked(postgres_url, key("busy")):
            crowd = [asyncio.ensure_future(increment(store, "busy")) for _ in range(16)]
            assert [await increment(store, "quiet") for _ in range(20)] == list(range(1, 21))
            assert not any(task.done() for task in crowd)
            for told in await asyncio.gather(*crowd, return_exceptions=True):
                assert isinstance(told, StorageUnavailable)
                assert "try again" in str(told)
        assert await increment(store, "busy") == 1


async def test_who_waits_for_a_busy_user_gets_his_turn(postgres_url: str) -> None:
    async with opened(postgres_url, connections=2) as store:
        with locked(postgres_url, key("busy")):
            crowd = [asyncio.ensure_future(increment(store, "busy")) for _ in range(16)]
            await until_it_waits(postgres_url, crowd[0])
            assert waiting(postgres_url) == 1
        assert await asyncio.gather(*crowd) == list(range(1, 17))


async def test_nothing_is_prepared_in_a_session_which_a_pooler_may_give_away(postgres_url: str) -> None:
    prepared = "SELECT statement FROM pg_prepared_statements"
    async with opened(postgres_url, connections=1) as store:
        await enrol(store, authenticator())
        for counter in range(1, 12):
            await increment(store, "counter")
            assert await store.use(use(counter))
            await store.account(USER)
            await store.change_account(USER, lambda account: (account, None))

        async def look(_: Link, results: list[PGresult]) -> int:
            return results[-1].ntuples

        assert await store._pool.run(prepared, look) == 0
        rare = store._own().engine.engine
        with rare.connect() as connection:
            assert connection.exec_driver_sql(prepared).all() == []


async def test_nothing_is_set_for_longer_than_a_transaction(postgres_url: str) -> None:
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "transaction_isolation")
    query = f"SELECT {', '.join(f'current_setting({name!r})' for name in names)}"
    async with opened(postgres_url, connections=1) as store:
        await increment(store, "counter")
        await store.change_account(USER, lambda account: (account, None))

        async def look(_: Link, results: list[PGresult]) -> list[bytes | None]:
            return [results[-1].get_value(0, column) for column in range(4)]

        assert await store._pool.run(query, look) == [b"0", b"0", b"0", b"read committed"]
        with store._own().engine.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            assert connection.exec_driver_sql(query.replace("%", "%%")).one() == ("0", "0", "0", "read committed")


@pytest.mark.parametrize("now", [1_000.0, NOW, 9e12])
async def test_the_callers_clock_says_what_has_expired(postgres_url: str, now: float) -> None:
    async with opened(postgres_url) as store:
        await put(store, {key("a"): Record(value=b"", expires_at=now + 1)}, now)
        assert key("a") in await store.get_many([key("a")], now + 0.5)
        assert key("a") not in await store.get_many([key("a")], now + 1)


async def test_connections_that_died_while_nobody_used_them_are_replaced(postgres_url: str) -> None:
    calls: list[Awaitable[object]]
    async with opened(postgres_url) as store:
        await enrol(store, authenticator())
        for number in range(1, 4):
            await asyncio.gather(*(increment(store, str(other)) for other in range(8)))
            await asyncio.to_thread(hang_up_all, postgres_url)
            calls = [store.use(use(number)), increment(store, "counter"), store.account(USER), store.ping()]
            assert [await call for call in calls][:2] == [True, number]
            await asyncio.to_thread(hang_up_all, postgres_url)
            assert await store.secret("names", b"made") == b"made"


async def test_what_is_given_up_in_the_middle_disturbs_nobody(postgres_url: str) -> None:
    """Its reply would come when the next one's is waited for."""
    async with opened(postgres_url, connections=1) as store:
        await put(store, {key("other"): live(b"other")})
        with locked(postgres_url, key("busy")):
            task = asyncio.ensure_future(increment(store, "busy"))
            await until_it_waits(postgres_url, task)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await store.get_many([key("other")], NOW) == {key("other"): live(b"other")}
        assert await increment(store, "busy") == 1


async def test_a_decision_may_write_only_what_is_locked(postgres_url: str) -> None:
    async with opened(postgres_url) as store:
        with pytest.raises(RuntimeError, match="not among those that are locked"):
            await store.update_many([key("a")], lambda _: ({key("b"): live()}, None), NOW)
        assert await store.get_many([key("b")], NOW) == {}


async def test_a_phase_is_two_messages_and_what_only_reads_or_uses_is_one(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: Counter[str] = Counter()
    ask = Link.ask

    async def counted(link: Link, *statements: str) -> list[PGresult]:
        sent["messages"] += 1
        results = await ask(link, *statements)
        sent["statements"] += len(results)
        return results

    async def cost(call: Awaitable[object]) -> tuple[int, int]:
        sent.clear()
        await call
        return sent["messages"], sent["statements"]

    def decide(found: Found, first: bool) -> tuple[Kept, None]:
        return {key("a"): live(), key("b"): live(), key("c"): None}, None

    keys = [key(name) for name in "abcdefg"]
    async with opened(postgres_url) as store:
        await enrol(store, authenticator())
        monkeypatch.setattr(Link, "ask", counted)
        assert await cost(store.update_many(keys, lambda found: decide(found, True), NOW)) == (2, 9)
        assert await cost(store.update_many(keys, lambda _: ({}, None), NOW)) == (2, 7)
        assert await cost(store.settle(use(1), keys, decide, NOW)) == (2, 10)
        assert await cost(use_once(store, [key("once")], NOW + 60, NOW)) == (2, 8)
        assert await cost(store.use(use(2))) == (1, 6)
        assert await cost(store.account(USER)) == (1, 1)
        assert await cost(store.get_many(keys, NOW)) == (1, 1)
        assert await cost(store.ping()) == (1, 1)
