"""What keeps an SQLite file small."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path

import pytest

from support.stores import ISSUER, NOW, increment, key, live, put
from upstile.server import StorageUnavailable
from upstile.server.storage._records import GRACE, Record
from upstile.server.storage._stores import use_once
from upstile.server.storage.sqlite import SqliteStore, _tidying

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
async def store(path: Path) -> AsyncGenerator[SqliteStore]:
    opened = SqliteStore(path, ISSUER)
    await opened.prepare()
    yield opened
    await opened.aclose()


def _rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM upstile_one_time").fetchone()
    return int(count)


def _log(path: Path) -> int:
    return path.with_name(path.name + "-wal").stat().st_size


async def test_what_may_something_goes_at_once_and_what_is_used_after_its_grace(store: SqliteStore, path: Path) -> None:
    await put(store, {key("session"): live()})
    await use_once(store, [key("code")], NOW + 60, NOW)
    store.tidy(NOW + 59.9)
    assert _rows(path) == 2
    store.tidy(NOW + 60)
    assert _rows(path) == 1
    store.tidy(NOW + 60 + GRACE - 0.1)
    assert _rows(path) == 1
    store.tidy(NOW + 60 + GRACE)
    assert _rows(path) == 0


async def test_one_call_sweeps_a_bounded_number_and_the_next_ones_the_rest(store: SqliteStore, path: Path) -> None:
    bound = _tidying.BATCH * _tidying.BATCHES
    many = bound + bound // 2
    await put(store, {key(f"{n}"): Record(value=b"", expires_at=NOW + n / many) for n in range(many)})
    store.tidy(NOW + 1)
    assert _rows(path) == many - bound
    assert await store.get_many([key(f"{many - 1}")], NOW)  # the oldest went first
    store.tidy(NOW + 1)
    assert _rows(path) == 0


async def test_the_log_is_copied_by_tidying_alone_and_begins_anew(store: SqliteStore, path: Path) -> None:
    async def write() -> None:
        for n in range(1500):  # more pages than SQLite itself would let the log have
            await put(store, {key(f"{n % 50}"): live(b"%d" % n * 1000)})

    await write()
    full = _log(path)
    assert full > 1500 * 4096
    before = path.stat().st_size
    store.tidy(NOW)
    assert path.stat().st_size > before
    await write()
    assert _log(path) <= full * 1.1


async def test_a_log_above_its_limit_is_cut(store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await put(store, {key(f"{n}"): live(bytes(3000)) for n in range(100)})
    monkeypatch.setattr(_tidying, "LOG_LIMIT", 100_000)
    assert _log(path) > 100_000
    store.tidy(NOW)
    assert _log(path) < 10_000
    assert len(await store.get_many([key(f"{n}") for n in range(100)], NOW)) == 100


async def test_a_log_that_a_reader_held_open_shrinks_to_its_limit(path: Path) -> None:
    """`journal_size_limit` is what SQLite cuts the log to when it begins anew."""
    store = SqliteStore(path, ISSUER)
    await store.prepare()
    for connection in (store._here().phases._connection, store._here().tidying._connection):
        assert connection is not None
        assert connection.execute("PRAGMA journal_size_limit").fetchone() == (_tidying.LOG_LIMIT,)
    await store.aclose()


async def test_a_file_that_stays_locked_is_unavailable_to_tidying_too(store: SqliteStore, path: Path) -> None:
    await put(store, {key("a"): live()})
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable, match="locked"):
            await asyncio.to_thread(store.tidy, NOW + 3600)
        other.execute("ROLLBACK")
    store.tidy(NOW + 3600)
    assert _rows(path) == 0


async def test_tidying_a_closed_store_is_unavailable(store: SqliteStore) -> None:
    await store.aclose()
    with pytest.raises(StorageUnavailable):
        store.tidy(NOW)


async def test_phases_go_on_while_a_thread_tidies(store: SqliteStore, path: Path) -> None:
    await put(store, {key(f"{n}"): Record(value=bytes(500), expires_at=NOW) for n in range(3000)}, NOW - 1)
    tidying = asyncio.create_task(asyncio.to_thread(store.tidy, NOW))
    numbers = [await increment(store, "counter") for _ in range(200)]
    await tidying
    assert numbers == list(range(1, 201))
    assert _rows(path) == 3001 - _tidying.BATCH * _tidying.BATCHES
