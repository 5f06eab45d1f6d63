"""A file that somebody else is writing: nobody waits on the event loop."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest

from support.stores import ISSUER, NOW, USER, authenticator, enrol, increment, key, live, put, use
from upstile.server import StorageUnavailable
from upstile.server.storage._records import Revocation
from upstile.server.storage.sqlite import SqliteStore, _patience

T = TypeVar("T")
pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
async def store(path: Path) -> AsyncGenerator[SqliteStore]:
    opened = SqliteStore(path, ISSUER)
    await opened.prepare()
    await enrol(opened, authenticator())
    yield opened
    await opened.aclose()


@pytest.fixture
def application(path: Path, store: SqliteStore) -> Generator[sqlite3.Connection]:
    """The application's own connection to the file that we share."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as connection:
        connection.execute("CREATE TABLE orders (n)")
        yield connection


async def test_the_loop_goes_on_while_the_application_writes(
    store: SqliteStore, application: sqlite3.Connection
) -> None:
    application.execute("BEGIN IMMEDIATE")
    application.execute("INSERT INTO orders VALUES (1)")
    writing = [
        asyncio.create_task(increment(store, "counter")),
        asyncio.create_task(store.use(use(1))),
        asyncio.create_task(store.settle(use(2), [], lambda _, first: ({}, first), NOW)),
        asyncio.create_task(enrol(store, authenticator("second"))),
        asyncio.create_task(store.revoke(Revocation(kind="token", name="t", expires_at=int(NOW)))),
    ]
    # The holder of the lock goes on in this very loop: were anybody waiting on it, that would never come.
    for _ in range(50):
        await asyncio.sleep(0.002)
        assert len((await store.account(USER)).authenticators) == 1  # readers are not held up
        assert await store.get_many([key("a")], NOW) == {}
    assert not any(task.done() for task in writing)
    application.execute("COMMIT")
    counted, *rest = await asyncio.wait_for(asyncio.gather(*writing), 60)
    assert counted == 1
    assert set(rest) <= {True, False, None}
    assert len((await store.account(USER)).authenticators) == 2


async def test_a_lock_that_is_never_released_is_told_after_some_seconds(
    store: SqliteStore, application: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_patience, "PATIENCE", 0.2)
    application.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailable, match="another connection keeps the file locked"):
        await increment(store, "counter")
    application.execute("ROLLBACK")
    assert await increment(store, "counter") == 1


async def test_the_patience_of_a_request_is_five_seconds() -> None:
    assert _patience.PATIENCE == 5.0
    pauses = list(zip(range(1000), _patience._pauses(), strict=False))
    assert max(pause for _, pause in pauses) <= 0.02
    assert pauses[0][1] <= 0.0005


async def test_who_goes_away_while_waiting_leaves_no_lock_behind(
    store: SqliteStore, application: sqlite3.Connection
) -> None:
    application.execute("BEGIN IMMEDIATE")
    task = asyncio.create_task(increment(store, "counter"))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    application.execute("COMMIT")
    application.execute("INSERT INTO orders VALUES (2)")
    assert await increment(store, "counter") == 1


async def test_a_reader_of_the_application_holds_nobody_up(store: SqliteStore, application: sqlite3.Connection) -> None:
    application.execute("BEGIN")
    application.execute("SELECT * FROM orders").fetchall()
    assert await increment(store, "counter") == 1
    await enrol(store, authenticator("second"))
    store.tidy(NOW)  # copies what it may
    application.execute("COMMIT")


async def test_an_fsync_in_a_thread_does_not_stop_the_loop(store: SqliteStore) -> None:
    """Enrolling and revoking take the file for as long as an fsync; phases go on between their tries."""
    revoking = [
        asyncio.create_task(store.revoke(Revocation(kind="token", name=f"t{n}", expires_at=int(NOW))))
        for n in range(20)
    ]
    numbers = await asyncio.gather(*(increment(store, "counter") for _ in range(100)))
    await asyncio.gather(*revoking)
    assert sorted(numbers) == list(range(1, 101))
    assert len(await asyncio.to_thread(store.revocations_after, 0, 0)) == 20


async def test_nothing_of_what_is_rare_runs_on_the_thread_of_the_loop(store: SqliteStore) -> None:
    seen = set[int]()

    def decide(found: T) -> tuple[T, None]:
        seen.add(threading.get_ident())
        return found, None

    await store.change_account(USER, decide)
    await store.change_signing_keys(decide)
    assert threading.get_ident() not in seen
    assert seen


async def test_two_stores_of_one_process_share_the_file(store: SqliteStore, path: Path) -> None:
    another = SqliteStore(path, ISSUER)
    await another.prepare()
    numbers = await asyncio.gather(*(increment(one, "counter") for one in (store, another) for _ in range(32)))
    assert sorted(numbers) == list(range(1, 65))
    await another.aclose()
    # Closing one ends no lock of the other (POSIX locks belong to a process).
    await put(store, {key("a"): live()})
    assert await store.get_many([key("a")], NOW)
