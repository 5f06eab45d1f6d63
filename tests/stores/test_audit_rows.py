"""Rows of the audit table, in every storage: with a phase, with a change, later, and when the table is away."""

from collections.abc import Sequence

import pytest
import sqlalchemy as sa

from support.stores import ISSUER, NOW, USER, Place, authenticator, enrol, key, live, use
from upstile.server._errors import StorageUnavailable
from upstile.server.storage import AuditRow, Storage
from upstile.server.storage import _audit as waiting
from upstile.server.storage._records import Account, Revocation
from upstile.server.storage._stores import Found, Kept
from upstile.server.storage.sql import postgresql_engine, sqlite_engine

pytestmark = pytest.mark.anyio
STATE = key("state")


def row(kind: str = "login", at: float = NOW, **members: str) -> AuditRow:
    return AuditRow(ISSUER, at, kind, "success", **{"subject": USER.subject, **members})


def rows(*kinds: str) -> list[AuditRow]:
    return [row(kind) for kind in kinds]


def issue(found: Found) -> tuple[Kept, str]:
    return {STATE: live()}, "result"


def unchanged(account: Account) -> tuple[Account, None]:
    return account, None


async def told(storage: Storage) -> list[str]:
    """The kinds in the table, in their order."""
    return [found.kind for found in await storage.durable.audited(USER)]


def sql(place: Place, *statements: str) -> None:
    """Do something to the database behind the store's back."""
    address = place.address.rpartition(" ")[2]
    engine = postgresql_engine(address) if address.startswith("postgresql") else sqlite_engine(address)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


async def test_a_phase_writes_its_rows_made_of_its_result(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        seen: list[str] = []

        def of(result: str) -> Sequence[AuditRow]:
            seen.append(result)
            return rows("a", "b")

        assert await storage.one_time.update_many([STATE], issue, NOW, of) == "result"
        assert await told(storage) == ["a", "b"]
        assert seen == ["result"]


async def test_a_phase_that_is_refused_leaves_no_row(place: Place) -> None:
    def refuse(found: Found) -> tuple[Kept, None]:
        raise LookupError

    async with place.opened() as storage:
        with pytest.raises(LookupError):
            await storage.one_time.update_many([STATE], refuse, NOW, lambda _: rows("a"))
        assert await told(storage) == []


async def test_a_right_answer_and_its_row_are_one_transaction(place: Place) -> None:
    def refuse(found: Found, first: bool) -> tuple[Kept, None]:
        raise LookupError

    async with place.opened() as storage:
        await enrol(storage, authenticator())
        with pytest.raises(LookupError):
            await storage.settle(use(7), [STATE], refuse, NOW, lambda _: rows("a"))
        assert await told(storage) == []
        if storage.is_one:
            await storage.settle(use(7), [STATE], lambda found, first: issue(found), NOW, lambda _: rows("b"))
            assert await told(storage) == ["b"]


async def test_what_is_appended_is_written_when_the_store_is_tidied_or_closed(place: Place) -> None:
    async with place.opened() as storage:
        storage.durable.append(rows("a"))
        assert await told(storage) == []
        storage.durable.tidy(NOW)
        assert await told(storage) == ["a"]
        storage.durable.append(rows("b"))
    async with place.opened() as storage:
        assert await told(storage) == ["a", "b"]


async def test_all_that_a_row_says_is_kept(durable_place: Place) -> None:
    texts = {name: f"{name} \\x0a'\"é\U0001f600" for name in AuditRow._fields[5:]}
    async with durable_place.opened() as storage:
        await storage.one_time.update_many([STATE], issue, NOW, lambda _: [row(at=NOW + 0.25, **texts)])
        storage.durable.append([row(at=NOW + 0.5, **texts)])
        storage.durable.tidy(NOW)
        assert await storage.durable.audited(USER) == [row(at=NOW + 0.25, **texts), row(at=NOW + 0.5, **texts)]


async def test_a_change_and_its_row_are_one_transaction(durable_place: Place) -> None:
    def refuse(account: Account) -> tuple[Account, None]:
        raise LookupError

    async with durable_place.opened() as storage:
        with pytest.raises(LookupError):
            await storage.durable.change_account(USER, refuse, lambda _: rows("a"))
        await storage.durable.change_account(USER, unchanged, lambda _: rows("b"))
        assert await told(storage) == ["b"]


async def test_what_ends_and_its_row_are_one_transaction(durable_place: Place) -> None:
    entry = Revocation(kind="login", name="sid", expires_at=int(NOW) + 60)
    async with durable_place.opened() as storage:
        new = [await storage.durable.revoke(entry, rows(kind)) for kind in ("a", "b")]
        assert new == [True, False]  # of what is in the log already nothing is told
        assert await told(storage) == ["a"]


async def test_while_the_table_is_away_what_ends_ends_and_its_row_comes_later(
    durable_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "SPARED", 0.0)
    entry = Revocation(kind="login", name="sid", expires_at=int(NOW) + 60)
    async with durable_place.opened() as storage:
        sql(durable_place, "ALTER TABLE upstile_audit RENAME TO upstile_elsewhere")
        await storage.durable.revoke(entry, rows("a"))
        assert [found.name for found in storage.durable.revocations_after(0, NOW)] == ["sid"]
        sql(durable_place, "ALTER TABLE upstile_elsewhere RENAME TO upstile_audit")
        storage.durable.tidy(NOW)
        assert await told(storage) == ["a"]


async def test_a_user_who_is_forgotten_without_a_word_is_not(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        await enrol(storage, authenticator())
        await storage.durable.change_account(USER, unchanged, lambda _: rows("a"))
        with pytest.raises(StorageUnavailable):
            await storage.durable.forget_account(USER, [row("forgotten")._replace(kind=None)])  # type: ignore[arg-type]
        assert await told(storage) == ["a"]
        account = await storage.durable.account(USER)
        assert (len(account.authenticators), account.logins) == (1, 0)


async def test_while_the_table_is_away_phases_go_on_changes_do_not_and_the_rows_come_later(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "SPARED", 0.0)
    async with place.opened() as storage:
        sql(place, "ALTER TABLE upstile_audit RENAME TO upstile_elsewhere")
        if storage.is_one:
            assert await storage.one_time.update_many([STATE], issue, NOW, lambda _: rows("a")) == "result"
            assert await storage.one_time.update_many([STATE], issue, NOW, lambda _: rows("b")) == "result"
        else:
            storage.durable.append(rows("a", "b"))
        assert await storage.one_time.get_many([STATE], NOW) or not storage.is_one
        with pytest.raises(StorageUnavailable):
            await storage.durable.change_account(
                USER, lambda account: (Account(user=USER, logins=7), None), lambda _: rows("refused")
            )
        assert (await storage.durable.account(USER)).logins == 0
        with pytest.raises(StorageUnavailable):
            storage.durable.tidy(NOW)
        sql(place, "ALTER TABLE upstile_elsewhere RENAME TO upstile_audit")
        storage.durable.tidy(NOW)
        assert await told(storage) == ["a", "b"]
        assert storage.durable.unlogged == 0


async def test_a_table_that_takes_no_more_is_as_good_as_away(sqlite_address: str) -> None:
    place = Place("sqlite", sqlite_address)
    full = "CREATE TRIGGER full BEFORE INSERT ON upstile_audit BEGIN SELECT RAISE(ABORT, 'full'); END"
    async with place.opened() as storage:
        sql(place, full)
        assert await storage.one_time.update_many([STATE], issue, NOW, lambda _: rows("a")) == "result"
        with pytest.raises(StorageUnavailable):
            await storage.durable.change_account(USER, unchanged, lambda _: rows("refused"))
        sql(place, "DROP TRIGGER full")
        storage.durable.tidy(NOW)
        assert await told(storage) == ["a"]


async def test_what_finds_no_room_is_dropped_counted_and_said(
    durable_place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(waiting, "MOST", 3)
    async with durable_place.opened() as storage:
        for number in range(5):
            storage.durable.append(rows(str(number)))
        assert storage.durable.unlogged == 2
        storage.durable.tidy(NOW)
        assert await told(storage) == ["0", "1", "2"]
    assert [record.message for record in caplog.records] == [
        "the audit table cannot be written fast enough: events are in this log only, and counted",
        "2 events are not in the audit table",
    ]


async def test_old_rows_are_deleted_when_the_store_is_tidied(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        storage.durable.append([row("old", NOW - 101), row("young", NOW - 99)])
        storage.durable.tidy(NOW)
        assert await told(storage) == ["old", "young"]  # nobody said for how long they are kept
    kept = type(storage)(durable_place.address, ISSUER, audit_kept_for=100.0)  # type: ignore[call-arg]
    await kept.durable.prepare()
    kept.durable.tidy(NOW)
    assert await told(kept) == ["young"]
    await kept.durable.aclose()


async def test_a_forgotten_user_leaves_no_row_and_others_theirs(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        storage.durable.append(
            [row("a"), row("b"), row("c", subject="bob"), row("d")._replace(issuer="https://x.example")]
        )
        storage.durable.tidy(NOW)
        await storage.durable.forget_account(USER, rows("forgotten"))
        assert await told(storage) == ["forgotten"]
        assert [found.kind for found in await storage.durable.audited(USER._replace(subject="bob"))] == ["c"]
