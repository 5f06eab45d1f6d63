"""One-time state, in every store."""

import pytest

from support.stores import NOW, Place, close, increment, key, live, prepare, put
from upstile.server import StorageUnavailable
from upstile.server.storage._records import GRACE, Record
from upstile.server.storage._stores import Found, Kept, use_once

pytestmark = pytest.mark.anyio
A, B, C = key("a"), key("b"), key("c")


async def test_what_was_written_is_read_as_it_was(place: Place) -> None:
    records = {
        A: Record(value=b"", expires_at=NOW + 0.25),
        B: Record(value=bytes(range(256)) * 256, expires_at=NOW + 7776000.5),
        C: Record(value=b"used", expires_at=NOW + 60, used=True),
    }
    async with place.opened() as storage:
        await put(storage.one_time, records)
        assert await storage.one_time.get_many([A, B, C], NOW) == records
        assert await storage.one_time.get_many([B], NOW) == {B: records[B]}
        assert await storage.one_time.update_many([A, B, C], lambda found: ({}, dict(found)), NOW) == records


async def test_nothing_is_asked_and_nothing_is_there(place: Place) -> None:
    async with place.opened() as storage:
        assert await storage.one_time.get_many([], NOW) == {}
        assert await storage.one_time.get_many([A, B], NOW) == {}
        assert await storage.one_time.update_many([], lambda found: ({}, len(found)), NOW) == 0


async def test_what_is_not_named_stays_and_none_deletes(place: Place) -> None:
    async with place.opened() as storage:
        await put(storage.one_time, {A: live(b"1"), B: live(b"1"), C: live(b"1")})
        await storage.one_time.update_many([A, B, C], lambda _: ({A: live(b"2"), B: None}, None), NOW)
        assert await storage.one_time.get_many([A, B, C], NOW) == {A: live(b"2"), C: live(b"1")}
        await put(storage.one_time, {B: None})  # what is not there may be deleted
        assert B not in await storage.one_time.get_many([B], NOW)


async def test_a_decision_sees_only_the_keys_that_it_asked_for(place: Place) -> None:
    async with place.opened() as storage:
        await put(storage.one_time, {A: live(), B: live(), C: live()})
        assert await storage.one_time.update_many([A, C, key("d")], lambda found: ({}, set(found)), NOW) == {A, C}


async def test_a_decision_that_raises_changes_nothing(place: Place) -> None:
    class Broken(Exception):
        pass

    def decide(found: Found) -> tuple[Kept, None]:
        raise Broken

    async with place.opened() as storage:
        await put(storage.one_time, {A: live(b"1")})
        with pytest.raises(Broken):
            await storage.one_time.update_many([A, B], decide, NOW)
        assert await storage.one_time.get_many([A, B], NOW) == {A: live(b"1")}
        assert await increment(storage.one_time, "counter") == 1


async def test_the_callers_clock_says_what_has_expired(place: Place) -> None:
    async with place.opened() as storage:
        await put(storage.one_time, {A: live()})
        assert await storage.one_time.get_many([A], NOW + 59.9)
        assert not await storage.one_time.get_many([A], NOW + 60)
        assert await storage.one_time.update_many([A], lambda found: ({}, A in found), NOW + 60) is False
        await put(storage.one_time, {A: Record(value=b"again", expires_at=NOW + 120)}, NOW + 60)
        assert (await storage.one_time.get_many([A], NOW + 60))[A].value == b"again"


async def test_all_are_used_once_or_none(place: Place) -> None:
    async with place.opened() as storage:
        assert await use_once(storage.one_time, [A, B], NOW + 60, NOW) is None
        assert await use_once(storage.one_time, [C, B], NOW + 60, NOW) == B
        assert await use_once(storage.one_time, [C], NOW + 60, NOW) is None


async def test_what_is_used_stays_so_when_a_clock_that_was_ahead_is_set_back(place: Place) -> None:
    ahead = NOW + 60 + GRACE - 1
    async with place.opened() as storage:
        assert await use_once(storage.one_time, [A], NOW + 60, NOW) is None
        storage.one_time.tidy(ahead)
        assert await use_once(storage.one_time, [B], ahead + 60, ahead) is None
        storage.one_time.tidy(ahead)
        assert await use_once(storage.one_time, [A], NOW + 60, NOW) == A


async def test_tidying_takes_nothing_that_is_live(place: Place) -> None:
    async with place.opened() as storage:
        await put(storage.one_time, {A: live(), B: live()._replace(used=True)})
        for _ in range(3):
            storage.one_time.tidy(NOW + 59)
        assert set(await storage.one_time.get_many([A, B], NOW + 59)) == {A, B}


async def test_a_restart_forgets_nothing(place: Place) -> None:
    async with place.opened() as storage:
        await put(storage.one_time, {A: live()})
    async with place.opened() as storage:
        assert await storage.one_time.get_many([A], NOW) == {A: live()}


async def test_a_store_that_is_closed_says_so_until_it_is_opened_again(place: Place) -> None:
    async with place.opened() as storage:
        await put(storage.one_time, {A: live()})
        await close(storage)
        await close(storage)  # a second time harms nothing
        with pytest.raises(StorageUnavailable):
            await storage.one_time.get_many([A], NOW)
        with pytest.raises(StorageUnavailable):
            await increment(storage.one_time, "counter")
        with pytest.raises(StorageUnavailable):
            await storage.one_time.ping()
        await prepare(storage)
        await prepare(storage)
        await storage.one_time.ping()
        assert await storage.one_time.get_many([A], NOW) == {A: live()}


async def test_a_store_that_was_never_opened_says_so(place: Place) -> None:
    storage = place.kind.open(place.address, "https://as.example")
    with pytest.raises(StorageUnavailable):
        await storage.one_time.get_many([A], NOW)
