"""Many who want the same of one-time state, in every store: over tasks, threads, processes, and a process that dies."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from support.store_jobs import CROWD
from support.stores import NOW, Place, go, increment, key, live, put, rest, said, stop
from upstile.server.storage._records import OneTimeKey
from upstile.server.storage._stores import Found, Kept, Storage, use_once

pytestmark = pytest.mark.anyio
T = TypeVar("T")
CODE, SESSION = key("code"), key("session")


async def test_of_64_tasks_one_uses_a_thing(place: Place) -> None:
    async with place.opened() as storage:
        won = await asyncio.gather(*(use_once(storage.one_time, [CODE], NOW + 60, NOW) for _ in range(64)))
    assert won.count(None) == 1


async def test_no_increment_of_64_tasks_is_lost(place: Place) -> None:
    async with place.opened() as storage:
        numbers = await asyncio.gather(*(increment(storage.one_time, "counter") for _ in range(64)))
    assert sorted(numbers) == list(range(1, 65))


async def test_no_increment_of_four_event_loops_is_lost(place: Place) -> None:
    async with place.opened() as storage:
        numbers = await _in_four_loops(lambda: increment(storage.one_time, "counter"))
    assert sorted(numbers) == list(range(1, 65))


async def test_of_four_event_loops_one_uses_a_thing(place: Place) -> None:
    async with place.opened() as storage:
        won = await _in_four_loops(lambda: use_once(storage.one_time, [CODE, SESSION], NOW + 60, NOW))
    assert won.count(None) == 1


async def _in_four_loops(one: Callable[[], Awaitable[T]]) -> list[T]:
    async def crowd() -> list[T]:
        return await asyncio.gather(*(one() for _ in range(16)))

    with ThreadPoolExecutor(4) as pool:
        loops = [pool.submit(asyncio.run, crowd()) for _ in range(4)]
        done = await asyncio.to_thread(lambda: [loop.result(60) for loop in loops])
    return [result for results in done for result in results]


async def test_of_three_processes_one_uses_a_thing(place: Place) -> None:
    said = await asyncio.to_thread(place.together, 3, "use-once")
    assert sorted(lines[0] for lines in said) == ["0", "0", "1"]


@pytest.mark.long
async def test_no_increment_of_three_processes_is_lost(place: Place) -> None:
    said = await asyncio.to_thread(place.together, 3, "increment")
    assert sorted(int(line) for lines in said for line in lines) == list(range(1, 3 * CROWD + 1))


async def test_keys_that_are_named_in_another_order_wait_for_nobody_for_ever(place: Place) -> None:
    """Two who lock the same two records the other way round would each wait for the other."""

    def add(found: Found) -> tuple[Kept, None]:
        return {name: live(b"%d" % (_number(found, name) + 1)) for name in (CODE, SESSION)}, None

    async with place.opened() as storage:
        orders = [[CODE, SESSION], [SESSION, CODE]] * 16
        await asyncio.gather(*(storage.one_time.update_many(keys, add, NOW) for keys in orders))
        found = await storage.one_time.get_many([CODE, SESSION], NOW)
    assert [_number(found, name) for name in (CODE, SESSION)] == [32, 32]


async def test_a_caller_who_goes_away_leaves_the_store_usable_and_whole(place: Place) -> None:
    async with place.opened() as storage:
        tasks = [asyncio.create_task(_both(storage)) for _ in range(32)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        found = await storage.one_time.get_many([CODE, SESSION], NOW)
        counted = _number(found, CODE)
        assert counted == _number(found, SESSION)
        assert done.count(None) <= counted <= len(tasks)
        await asyncio.gather(*(_both(storage) for _ in range(16)))
        found = await storage.one_time.get_many([CODE, SESSION], NOW)
        assert [_number(found, name) for name in (CODE, SESSION)] == [counted + 16] * 2


@pytest.mark.parametrize("after", [1, 7, 40])
async def test_a_process_that_is_killed_while_it_writes_loses_nothing_and_leaves_no_half(
    place: Place, after: int
) -> None:
    (process,) = await asyncio.to_thread(place.started, 1, "pairs")
    try:
        go(process)
        for _ in range(after):
            await asyncio.to_thread(said, process)
        process.kill()
        acknowledged = after + len(await asyncio.to_thread(rest, process))
    finally:
        stop(process)
    async with place.opened() as storage:
        found = await storage.one_time.get_many([key("left"), key("right")], NOW)
        left, right = _number(found, key("left")), _number(found, key("right"))
        assert left == right
        assert left in (acknowledged, acknowledged + 1)  # one may have been written and not been told
        await put(storage.one_time, {CODE: live()})


async def _both(storage: Storage) -> None:
    def add(found: Found) -> tuple[Kept, None]:
        return {name: live(b"%d" % (_number(found, name) + 1)) for name in (CODE, SESSION)}, None

    await storage.one_time.update_many([CODE, SESSION], add, NOW)


def _number(found: Found, name: OneTimeKey) -> int:
    return int(found[name].value) if name in found else 0
