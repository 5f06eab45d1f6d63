"""How transactions begin, wait and fail, on each database as it is configured by its operator."""

import dataclasses
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import event

from support.accounts import ADA, BOB, ISSUER, NOW, TOTP, end, enrol
from support.postgres import PostgresServer, running_postgres
from upstile.server._errors import StorageUnavailable
from upstile.server.storage import schema
from upstile.server.storage._records import Account, Revocation, SigningKeyRecord, Use, User
from upstile.server.storage._transactions import LOG_LOCK, SCHEMA_LOCK, Busy, lock_number
from upstile.server.storage.sql import SqlLedger, postgresql_engine, sqlite_engine

REVOKED = Revocation(kind="token", name="jti", expires_at=NOW + 60)


@pytest.fixture
def hostile_ledger(postgres: PostgresServer, postgres_url: str) -> Generator[SqlLedger]:
    """A ledger in a database whose operator set the default isolation to repeatable read."""
    name = postgres_url.partition("@/")[2].partition("?")[0]
    postgres.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    engine = postgresql_engine(postgres_url)
    schema.upgrade(engine, ISSUER)
    yield SqlLedger(engine, ISSUER, clock=lambda: NOW)
    engine.dispose()


def test_nothing_is_lost_or_refused_under_another_default_isolation(hostile_ledger: SqlLedger) -> None:
    enrol(hostile_ledger, BOB, TOTP)

    def one(number: int) -> bool:
        hostile_ledger.change_account(ADA, end)
        hostile_ledger.revoke(dataclasses.replace(REVOKED, name=str(number % 4)))
        return hostile_ledger.use(Use(user=BOB, id="t", counter=5, at=NOW))

    with ThreadPoolExecutor(8) as pool:
        used = list(pool.map(one, range(40)))
    assert hostile_ledger.account(ADA).logins == 40
    assert used.count(True) == 1
    assert len(hostile_ledger.revocations_after(0, NOW)) == 84


@contextmanager
def held(url: str, number: int) -> Generator[None]:
    """Somebody else holds a lock."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (number,))
        yield
        connection.rollback()


def test_who_waits_too_long_for_a_lock_is_told_and_others_go_on(postgres_url: str) -> None:
    engine = postgresql_engine(postgres_url)
    schema.upgrade(engine, ISSUER)
    ledger = SqlLedger(engine, ISSUER)
    with held(postgres_url, lock_number("account", *ADA)):
        with pytest.raises(Busy, match="55P03"):
            enrol(ledger, ADA)
        enrol(ledger, BOB)
    with held(postgres_url, LOG_LOCK):
        with pytest.raises(Busy, match="55P03"):
            ledger.revoke(REVOKED)
        enrol(ledger, ADA)
    key = SigningKeyRecord(kid="kid", sealed=b"", created=NOW, signs_from=NOW)
    with held(postgres_url, SCHEMA_LOCK), pytest.raises(Busy, match="55P03"):
        ledger.change_signing_keys(lambda _: ([key], None))
    ledger.change_signing_keys(lambda _: ([key], None))
    engine.dispose()


def test_no_two_users_share_a_lock_by_the_way_their_names_are_joined() -> None:
    assert lock_number("account", "a", "bc") != lock_number("account", "ab", "c")
    assert lock_number("account", *ADA) == lock_number("account", *User(*ADA))


def test_a_database_that_is_away_is_unavailable_and_is_used_again_when_it_is_back() -> None:
    with running_postgres() as server:
        engine = postgresql_engine(server.new_database())
        schema.upgrade(engine, ISSUER)
        ledger = SqlLedger(engine, ISSUER)
        enrol(ledger, ADA, TOTP)
        server.stop()
        with pytest.raises(StorageUnavailable):
            ledger.account(ADA)
        with pytest.raises(StorageUnavailable):
            ledger.revoke(REVOKED)
        server.start()
        assert ledger.account(ADA).authenticators == (TOTP,)
        ledger.revoke(REVOKED)
        engine.dispose()


def test_a_commit_on_sqlite_is_on_the_disk_and_a_transaction_that_writes_begins_as_one(tmp_path: Path) -> None:
    engine = sqlite_engine(str(tmp_path / "bank.db"))
    schema.upgrade(engine, ISSUER)
    ledger = SqlLedger(engine, ISSUER)
    begun: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("BEGIN"):
            begun.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    ledger.account(ADA)
    ledger.revocations_after(0, NOW)
    enrol(ledger, ADA, TOTP)
    ledger.use(Use(user=ADA, id="t", counter=1, at=NOW))
    assert begun == ["BEGIN DEFERRED", "BEGIN DEFERRED", "BEGIN IMMEDIATE", "BEGIN IMMEDIATE"]
    with engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar_one() == 2
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar_one() == "wal"
    engine.dispose()


def test_reading_a_file_does_not_wait_for_whoever_writes_it(tmp_path: Path) -> None:
    engine = sqlite_engine(str(tmp_path / "bank.db"))
    schema.upgrade(engine, ISSUER)
    ledger, within, go_on = SqlLedger(engine, ISSUER), threading.Event(), threading.Event()
    enrol(ledger, ADA, TOTP)

    def hold(_: Account) -> tuple[Account, None]:
        within.set()
        assert go_on.wait(30)
        raise RuntimeError("changed its mind")

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(ledger.change_account, ADA, hold)
        assert within.wait(30)
        assert ledger.account(ADA).authenticators == (TOTP,)
        assert ledger.revocations_after(0, NOW) == []
        go_on.set()
        with pytest.raises(RuntimeError):
            writer.result()
    engine.dispose()
