"""Upgrades beside other processes, and upgrades that are killed."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from support.accounts import ADA, ISSUER, NOW
from support.upgrades import engine_for
from support.version_1 import RESEAL, make_version_1
from upstile.server.storage import schema
from upstile.server.storage.sql import SqlLedger

ROOT = Path(__file__).parents[2]
Begin = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind, by the name that another process opens it by."""
    if request.param == "sqlite":
        return str(tmp_path / "bank.db")
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def database(where: str) -> Generator[sa.Engine]:
    """The same, for this process."""
    engine = engine_for(where)
    yield engine
    engine.dispose()


@pytest.fixture
def begin() -> Generator[Begin]:
    """Starts another process; what still runs at the end is killed."""
    begun: list[subprocess.Popen[str]] = []

    def one(job: str, *arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "support.upgrades", job, *arguments]
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=ROOT / "tests",
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        )
        begun.append(process)
        return process

    yield one
    for process in begun:
        process.kill()
        process.communicate()


def found(engine: sa.Engine) -> int | None:
    with engine.connect() as connection:
        return schema.version(connection)


def told(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_alembic_is_imported_only_where_the_version_differs(where: str, begin: Begin) -> None:
    assert told(begin("prepare", where, "5")) == "version 5; alembic True"
    assert told(begin("prepare", where, "5")) == "version 5; alembic False"


def test_eight_processes_open_an_empty_storage_at_once(where: str, begin: Begin) -> None:
    processes = [begin("prepare", where, "5") for _ in range(8)]
    assert {told(process).partition(";")[0] for process in processes} == {"version 5"}


def test_of_two_upgrades_at_once_one_migrates_and_the_other_finds_it_done(where: str, database: sa.Engine) -> None:
    make_version_1(database, ISSUER)
    within, go_on, calls = threading.Event(), threading.Event(), []

    def slow(label: str, bound: tuple[str, ...], sealed: bytes) -> bytes:
        calls.append(label)
        within.set()
        assert go_on.wait(30)
        return RESEAL(label, bound, sealed)

    other = engine_for(where)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(schema.upgrade, database, ISSUER, slow)
        assert within.wait(30)
        second = pool.submit(schema.upgrade, other, ISSUER, slow)
        assert not second.done()
        go_on.set()
        first.result()
        second.result()
    other.dispose()
    assert found(database) == schema.HEAD
    assert sorted(calls) == ["signing-key", "totp-seed", "totp-seed"]


@pytest.mark.parametrize(
    "part",
    [
        "CREATE TABLE upstile_accounts",
        "INSERT INTO upstile_signing_keys",
        "CREATE INDEX upstile_revocations_expires_at",
        "CREATE TABLE upstile_audit",
        "ALTER TABLE upstile_authenticators",
        "UPDATE upstile_schema",
    ],
)
def test_a_migration_that_is_killed_leaves_the_old_schema_whole(
    where: str, database: sa.Engine, begin: Begin, part: str
) -> None:
    make_version_1(database, ISSUER)
    before = _content(database)
    process = begin("stop_within", where, part)
    assert told(process) == "there"
    process.kill()
    process.wait()
    assert (found(database), _content(database)) == (1, before)
    schema.upgrade(database, ISSUER, RESEAL)
    assert found(database) == schema.HEAD
    assert len(SqlLedger(database, ISSUER).account(ADA).authenticators) == 3


def test_an_index_without_its_version_is_gone_when_the_migration_is_killed(
    where: str, database: sa.Engine, begin: Begin
) -> None:
    assert told(begin("prepare", where, "2")).startswith("version 2")
    process = begin("stop_within", where, "UPDATE upstile_schema")
    assert told(process) == "there"
    process.kill()
    process.wait()
    assert found(database) == 2
    names = {index["name"] for index in sa.inspect(database).get_indexes("upstile_revocations")}
    assert "upstile_revocations_expires_at" not in names
    schema.upgrade(database, ISSUER)
    assert found(database) == schema.HEAD


def test_an_old_and_a_new_release_work_on_one_storage_while_it_is_upgraded(
    where: str, database: sa.Engine, begin: Begin
) -> None:
    old = begin("work", where, "5", "old")
    assert told(old) == "at work"
    assert found(database) == 5
    new = begin("work", where, "6", "new")
    assert told(new) == "at work"
    schema.upgrade(database, ISSUER)
    assert found(database) == 6
    late = begin("work", where, "6", "late")
    assert told(late) == "at work"
    done = [int(process.communicate("stop\n")[0]) for process in (old, new, late)]
    ledger = SqlLedger(database, ISSUER)
    assert ledger.account(ADA).logins == sum(done)
    assert len(ledger.revocations_after(0, NOW)) == 2 * sum(done)
    assert all(process.returncode == 0 for process in (old, new, late))


def test_an_old_release_does_not_start_on_the_newer_schema(where: str, begin: Begin) -> None:
    assert told(begin("prepare", where, "5")).startswith("version 5")
    assert "knows 4 at most" in told(begin("prepare", where, "4"))


def _content(engine: sa.Engine) -> dict[str, list[Any]]:
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        return {name: list(connection.execute(sa.select(sa.text("*")).select_from(sa.table(name)))) for name in names}
