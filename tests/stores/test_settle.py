"""What a right answer uses up and what follows from it, in every storage."""

import asyncio

import pytest

from support.stores import NOW, USER, Place, authenticator, enrol, key, live, put, use
from upstile.server.storage._stores import Found, Kept

pytestmark = pytest.mark.anyio
SESSION, CODE = key("session"), key("code")


def _issue(found: Found, first: bool) -> tuple[Kept, bool]:
    if not first:
        return {SESSION: live(b"wrong")}, False
    return {SESSION: None, CODE: live(b"code")}, True


async def test_the_first_use_is_written_with_its_outcome(place: Place) -> None:
    async with place.opened() as storage:
        await enrol(storage, authenticator())
        await put(storage.one_time, {SESSION: live(b"answering")})
        assert await storage.settle(use(7, at=9, data={"learnt": 1}), [SESSION, CODE], _issue, NOW)
        assert await storage.one_time.get_many([SESSION, CODE], NOW) == {CODE: live(b"code")}
        stored = (await storage.durable.account(USER)).authenticators
        assert stored == (authenticator(counter=7, last_used=9, data={"learnt": 1}),)


@pytest.mark.parametrize("counter", [7, 6, 0])
async def test_a_second_use_writes_nothing_of_it_and_the_outcome_that_it_has(place: Place, counter: int) -> None:
    async with place.opened() as storage:
        await enrol(storage, authenticator(counter=7, last_used=5))
        assert not await storage.settle(use(counter, at=9, data={}), [SESSION, CODE], _issue, NOW)
        assert await storage.one_time.get_many([SESSION, CODE], NOW) == {SESSION: live(b"wrong")}
        assert (await storage.durable.account(USER)).authenticators == (authenticator(counter=7, last_used=5),)


async def test_the_decision_sees_what_is_there(place: Place) -> None:
    async with place.opened() as storage:
        await enrol(storage, authenticator())
        await put(storage.one_time, {SESSION: live(b"answering")})
        seen = await storage.settle(use(7), [SESSION, CODE], lambda found, first: ({}, (dict(found), first)), NOW)
        assert seen == ({SESSION: live(b"answering")}, True)


async def test_a_decision_that_raises_gives_nothing_out(place: Place) -> None:
    class Broken(Exception):
        pass

    def decide(found: Found, first: bool) -> tuple[Kept, None]:
        raise Broken

    async with place.opened() as storage:
        await enrol(storage, authenticator())
        with pytest.raises(Broken):
            await storage.settle(use(7), [SESSION, CODE], decide, NOW)
        assert not await storage.one_time.get_many([SESSION, CODE], NOW)
        # In one transaction the use is undone as well; with two stores it was written first, and stays.
        assert await storage.durable.use(use(7)) is place.kind.one_transaction


async def test_of_64_tasks_with_one_code_one_is_given_an_outcome(place: Place) -> None:
    async with place.opened() as storage:
        await enrol(storage, authenticator())
        won = await asyncio.gather(*(storage.settle(use(7), [SESSION, CODE], _issue, NOW) for _ in range(64)))
    assert won.count(True) == 1


async def test_of_three_processes_with_one_code_one_is_given_an_outcome(place: Place) -> None:
    async with place.opened() as storage:
        await enrol(storage, authenticator())
    said = await asyncio.to_thread(place.together, 3, "settle")
    assert sorted(lines[0] for lines in said) == ["0", "0", "1"]
