"""What a phase costs in an SQLite file, counted: statements, not time."""

from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import pytest

from support.stores import ISSUER, NOW, USER, authenticator, enrol, key, live, put, use
from upstile.server import StorageUnavailable
from upstile.server.storage._records import Record, User
from upstile.server.storage._stores import Found, Kept
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


async def test_a_phase_is_one_read_and_one_write_of_all_that_is_new(store: SqliteStore, statements: list[str]) -> None:
    await store.update_many(KEYS, lambda _: ({KEYS[0]: live(), KEYS[1]: live(), KEYS[2]: None}, None), NOW)
    assert statements == ["BEGIN", "SELECT", "DELETE", "INSERT", "COMMIT"]


async def test_what_was_found_and_is_kept_as_it_is_is_not_written_again(
    store: SqliteStore, statements: list[str]
) -> None:
    await put(store, {KEYS[0]: live(), KEYS[1]: live()})
    statements.clear()
    await store.update_many(KEYS, lambda found: ({**found, KEYS[0]: live(b"new")}, None), NOW)
    assert statements == ["BEGIN", "SELECT", "UPDATE", "COMMIT"]
    assert await store.get_many(KEYS, NOW) == {KEYS[0]: live(b"new"), KEYS[1]: live()}


@pytest.mark.parametrize("used", [False, True])
async def test_the_end_of_a_record_is_written_where_it_changes(
    store: SqliteStore, statements: list[str], used: bool
) -> None:
    """The index by the end is what costs, so it is left alone otherwise; a mark of use is kept longer than it lives."""
    before = Record(value=b"1", expires_at=NOW + 60, used=True)
    for after, verb in (
        (Record(value=b"2", expires_at=NOW + 60, used=used), "UPDATE" if used else "INSERT"),
        (Record(value=b"2", expires_at=NOW + 61, used=used), "INSERT"),
    ):
        await put(store, {KEYS[0]: before, KEYS[1]: live()})
        statements.clear()
        await store.update_many(KEYS, partial(_always, {KEYS[0]: after}), NOW)
        assert statements == ["BEGIN", "SELECT", verb, "COMMIT"]
        connection = store._here().phases._connection
        assert connection is not None
        row = connection.execute(
            "SELECT value, expires_at, kept_until FROM upstile_one_time WHERE key = ?", (KEYS[0],)
        ).fetchone()
        assert row == (after.value, after.expires_at, after.kept_until)


def _always(kept: Kept, _: Found) -> tuple[Kept, None]:
    return kept, None


async def test_a_record_that_has_ended_is_written_as_a_new_one(store: SqliteStore, statements: list[str]) -> None:
    await put(store, {KEYS[0]: live()})
    statements.clear()
    await store.update_many(KEYS, lambda _: ({KEYS[0]: Record(value=b"new", expires_at=NOW + 120)}, None), NOW + 60)
    assert statements == ["BEGIN", "SELECT", "INSERT", "COMMIT"]
    assert (await store.get_many(KEYS, NOW + 60))[KEYS[0]].value == b"new"


async def test_more_keys_than_one_statement_takes(store: SqliteStore) -> None:
    many = {key(f"{n}"): live(b"%d" % n) for n in range(450)}
    await put(store, many)
    assert await store.get_many([*many], NOW) == many


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
