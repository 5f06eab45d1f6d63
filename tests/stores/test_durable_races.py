"""Many who change what is durable, in every durable store."""

import asyncio
from dataclasses import replace

import pytest

from support.stores import USER, Place, authenticator, enrol, go, rest, stop, use
from upstile.server.storage._records import Account

pytestmark = pytest.mark.anyio


async def test_no_change_of_an_account_is_lost(durable_place: Place) -> None:
    def add(account: Account) -> tuple[Account, int]:
        number = len(account.authenticators)
        return replace(account, authenticators=(*account.authenticators, authenticator(f"a{number}"))), number

    async with durable_place.opened() as storage:
        numbers = await asyncio.gather(*(storage.durable.change_account(USER, add) for _ in range(16)))
        assert sorted(numbers) == list(range(16))
        assert len((await storage.durable.account(USER)).authenticators) == 16


async def test_no_generation_of_three_processes_is_lost_and_each_is_in_the_log(durable_place: Place) -> None:
    await asyncio.to_thread(durable_place.together, 3, "generations")
    async with durable_place.opened() as storage:
        assert (await storage.durable.account(USER)).logins == 30
        assert [entry.below for entry in storage.durable.revocations_after(0, 0)] == list(range(1, 31))


async def test_of_64_uses_with_one_counter_one_is_the_first(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        await enrol(storage, authenticator())
        won = await asyncio.gather(*(storage.durable.use(use(7)) for _ in range(64)))
    assert won.count(True) == 1


@pytest.mark.long
async def test_of_three_processes_with_one_counter_one_is_the_first(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        await enrol(storage, authenticator())
        said = await asyncio.to_thread(durable_place.together, 3, "use")
    assert sorted(lines[0] for lines in said) == ["0", "0", "1"]


async def test_an_authenticator_that_is_disabled_meanwhile_is_used_no_more(durable_place: Place) -> None:
    def disable(account: Account) -> tuple[Account, None]:
        off = tuple(replace(record, state="disabled") for record in account.authenticators)
        return replace(account, authenticators=off), None

    async with durable_place.opened() as storage:
        await enrol(storage, authenticator())
        uses = [storage.durable.use(use(counter)) for counter in range(1, 9)]
        await asyncio.gather(storage.durable.change_account(USER, disable), *uses)
        assert not await storage.durable.use(use(100))
        assert (await storage.durable.account(USER)).authenticators[0].state == "disabled"


@pytest.mark.long
async def test_racing_processes_make_a_secret_once(durable_place: Place) -> None:
    said = await asyncio.to_thread(durable_place.together, 3, "secret")
    assert len({lines[0] for lines in said}) == 1


async def test_racing_processes_make_the_first_signing_key_once(durable_place: Place) -> None:
    said = await asyncio.to_thread(durable_place.together, 3, "first-key")
    assert len({lines[0] for lines in said}) == 1


@pytest.mark.long
async def test_no_signing_key_of_racing_processes_is_lost(durable_place: Place) -> None:
    said = await asyncio.to_thread(durable_place.together, 3, "more-keys")
    async with durable_place.opened() as storage:
        kids = await storage.durable.change_signing_keys(lambda found: (found, [key.kid for key in found]))
    assert sorted(kids) == sorted(line for lines in said for line in lines)


async def test_who_reads_on_from_the_last_number_misses_no_revocation(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        writers = await asyncio.to_thread(durable_place.started, 3, "revoke")
        try:
            go(*writers)
            last, names = 0, list[str]()
            while len(names) < 60:
                new = await asyncio.to_thread(storage.durable.revocations_after, last, 0)
                assert new or any(writer.poll() is None for writer in writers), f"{60 - len(names)} were never seen"
                names += [entry.name for entry in new]
                last = new[-1].number if new else last
            told = [line for writer in writers for line in await asyncio.to_thread(rest, writer)]
        finally:
            stop(*writers)
    assert sorted(names) == sorted(told)


async def test_racing_processes_open_an_empty_storage(durable_place: Place) -> None:
    said = await asyncio.to_thread(durable_place.together, 4, "nothing")
    assert said == [["done"]] * 4
