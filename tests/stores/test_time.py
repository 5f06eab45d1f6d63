"""The clock of a store, if it has one, tells the time."""

import time

import pytest

from support.stores import Place
from upstile.server.storage.sqlite import SqliteStore

pytestmark = pytest.mark.anyio


async def test_a_store_says_what_time_it_is(place: Place) -> None:
    async with place.opened() as storage:
        before = time.time()
        for store in storage.stores:
            told = await store.time()
            if isinstance(store, SqliteStore):
                assert told is None
            else:
                assert told is not None
                assert before - 1 < told < time.time() + 1
