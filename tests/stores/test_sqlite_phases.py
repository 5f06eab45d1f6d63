"""What a phase costs in an SQLite file, counted: statements, not time."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from support.stores import ISSUER, NOW, USER, authenticator, enrol, key, live, put, use
from upstile.server import StorageUnavailable
from upstile.server.storage._records import User
from upstile.server.storage.sqlite import SqliteStore

pytestmark = pytest.mark.anyio
KEYS = [key(name) for name in "abcdef"]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[SqliteStore]:
    opened = SqliteStore(tmp_path / "state.db", ISSUER)
    await opened.prepare()
    await enrol(opened, authenticator(), authenticator("second"))
    yield opened
    await opened.aclose()


@pytest.fixture
def statements(store: SqliteStore) -> list[str]:
    """What the event loop's connection runs."""
    seen: list[str] = []
    connection = store._here().phases._connection
    assert connection is not None
    connection.set_trace_callback(lambda statement: seen.append(statement.split()[0]))
    return seen


async def test_a_phase_is_one_read_and_a_statement_for_each_write(store: SqliteStore, statements: list[str]) -> None:
    await store.update_many(KEYS, lambda _: ({KEYS[0]: live(), KEYS[1]: live(), KEYS[2]: None}, None), NOW)
    assert statements == ["BEGIN", "SELECT", "INSERT", "INSERT", "DELETE", "COMMIT"]


async def test_what_was_found_and_is_kept_as_it_is_is_not_written_again(
    store: SqliteStore, statements: list[str]
) -> None:
    await put(store, {KEYS[0]: live(), KEYS[1]: live()})
    statements.clear()
    await store.update_many(KEYS, lambda found: ({**found, KEYS[0]: live(b"new")}, None), NOW)
    assert statements == ["BEGIN", "SELECT", "INSERT", "COMMIT"]


async def test_settling_is_one_transaction(store: SqliteStore, statements: list[str]) -> None:
    await store.settle(use(7), KEYS, lambda _, first: ({KEYS[0]: live()}, first), NOW)
    assert statements == ["BEGIN", "UPDATE", "SELECT", "INSERT", "COMMIT"]


async def test_an_account_and_many_records_are_one_statement_each(store: SqliteStore, statements: list[str]) -> None:
    assert len((await store.account(USER)).authenticators) == 2
    await store.get_many(KEYS, NOW)
    await store.use(use(1))
    assert statements == ["SELECT", "SELECT", "UPDATE"]


async def test_a_name_that_is_no_unicode_is_refused_as_ours(store: SqliteStore) -> None:
    with pytest.raises(StorageUnavailable):
        await store.account(User(ISSUER, "\ud800"))
    assert (await store.account(USER)).authenticators
