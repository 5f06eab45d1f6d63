"""Which version a storage has, and what a release does about it."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event

from support.accounts import ISSUER
from support.version_1 import RESEAL, make_version_1
from upstile.server._errors import ConfigurationError, StorageUnavailable
from upstile.server.storage import schema
from upstile.server.storage.schema import _tables as tables
from upstile.server.storage.schema import _upgrade, _version
from upstile.server.storage.sql import postgresql_engine, sqlite_engine

MIGRATIONS = Path(_upgrade.__file__).parent / "migrations"


def found(engine: sa.Engine) -> int | None:
    with engine.connect() as connection:
        return schema.version(connection)


def note(engine: sa.Engine, version: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE upstile_schema SET version_num = :v"), {"v": version})


def only_knows(monkeypatch: pytest.MonkeyPatch, head: int) -> None:
    """Be an earlier or a later release."""
    monkeypatch.setattr(_version, "HEAD", head)
    monkeypatch.setattr(_upgrade, "HEAD", head)


def test_the_newest_migration_is_the_version_that_this_release_knows() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [str(schema.HEAD)]


def test_a_schema_that_another_process_makes_between_two_looks_is_found(postgres_url: str) -> None:
    engine, other = postgresql_engine(postgres_url), postgresql_engine(postgres_url)
    event.listen(engine, "rollback_savepoint", lambda *_: schema.upgrade(other, ISSUER))
    assert found(engine) == schema.HEAD
    engine.dispose()
    other.dispose()


@pytest.mark.parametrize("begin", ["empty", "version 1"])
def test_the_migrations_lead_to_the_tables_that_the_code_uses(engine: sa.Engine, begin: str) -> None:
    if begin == "version 1":
        make_version_1(engine, ISSUER)
    schema.upgrade(engine, ISSUER, RESEAL)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "upstile_schema", "compare_type": True})
        assert compare_metadata(context, tables.metadata) == []


def test_what_sqlite_alone_has_is_migrated_too(tmp_path: Path) -> None:
    """A number is never given twice, and one-time state lies in its key's tree."""
    engine = sqlite_engine(str(tmp_path / "bank.db"))
    schema.upgrade(engine, ISSUER)
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
        sql = {row.name: row.sql for row in rows}
    engine.dispose()
    assert "AUTOINCREMENT" in sql["upstile_revocations"]
    assert "WITHOUT ROWID" in sql["upstile_one_time"]


def test_an_empty_database_has_no_version(engine: sa.Engine) -> None:
    assert found(engine) is None
    with pytest.raises(ConfigurationError, match="empty: run `upstile-server db upgrade`"):
        schema.check(engine)


def test_an_upgrade_that_is_repeated_changes_nothing(engine: sa.Engine) -> None:
    for _ in range(2):
        schema.upgrade(engine, ISSUER)
        assert (found(engine), schema.check(engine)) == (schema.HEAD, schema.HEAD)


def test_the_version_is_read_in_one_statement(engine: sa.Engine) -> None:
    schema.upgrade(engine, ISSUER)
    seen: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _, __, statement, *___: seen.append(statement))
    found(engine)
    assert [statement for statement in seen if statement.startswith("SELECT")] == [
        "SELECT version_num FROM upstile_schema"
    ]


def test_a_newer_schema_is_refused_by_everything(engine: sa.Engine) -> None:
    schema.upgrade(engine, ISSUER)
    note(engine, str(schema.HEAD + 1))
    for refused in (schema.check, lambda e: schema.upgrade(e, ISSUER), lambda e: schema.prepare(e, ISSUER)):
        with pytest.raises(ConfigurationError, match="install the release that upgraded it"):
            refused(engine)


def test_a_version_that_is_none_of_ours_is_refused(engine: sa.Engine) -> None:
    schema.upgrade(engine, ISSUER)
    note(engine, "1a2b3c")
    with pytest.raises(ConfigurationError, match="none of ours"):
        schema.check(engine)


def test_a_release_works_on_the_version_before_its_own(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        only_knows(patch, schema.HEAD - 1)
        schema.upgrade(engine, ISSUER)
    assert schema.check(engine) == schema.HEAD - 1


def test_a_release_does_not_work_on_two_versions_before(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    schema.upgrade(engine, ISSUER)
    only_knows(monkeypatch, schema.HEAD + 2)
    with pytest.raises(ConfigurationError, match="stop all nodes, make a backup and run `upstile-server db upgrade`"):
        schema.check(engine)


def test_a_release_does_not_work_on_version_1(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    make_version_1(engine, ISSUER)
    only_knows(monkeypatch, 2)
    with pytest.raises(ConfigurationError, match="stop all nodes"):
        schema.check(engine)


def test_a_file_is_upgraded_when_it_is_opened(tmp_path: Path) -> None:
    engine = sqlite_engine(str(tmp_path / "bank.db"))
    make_version_1(engine, ISSUER)
    schema.prepare(engine, ISSUER, RESEAL)
    assert found(engine) == schema.HEAD
    engine.dispose()


def test_postgresql_makes_its_first_tables_itself_and_is_upgraded_when_it_is_said(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = postgresql_engine(postgres_url)
    with monkeypatch.context() as patch:
        only_knows(patch, schema.HEAD - 1)
        schema.prepare(engine, ISSUER)
    assert found(engine) == schema.HEAD - 1
    schema.prepare(engine, ISSUER)
    assert found(engine) == schema.HEAD - 1
    schema.upgrade(engine, ISSUER)
    assert found(engine) == schema.HEAD
    engine.dispose()


def test_postgresql_of_version_1_is_refused_with_the_command_to_run(postgres_url: str) -> None:
    engine = postgresql_engine(postgres_url)
    make_version_1(engine, ISSUER)
    with pytest.raises(ConfigurationError, match="run `upstile-server db upgrade`"):
        schema.prepare(engine, ISSUER, RESEAL)
    engine.dispose()


def test_a_file_that_is_no_database_is_told_from_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "bank.db").write_bytes(b"something else entirely" * 100)
    with pytest.raises(StorageUnavailable, match="SQLITE_NOTADB"):
        schema.upgrade(sqlite_engine(str(tmp_path / "bank.db")), ISSUER)


def test_a_file_that_may_not_be_written_is_not_upgraded(tmp_path: Path) -> None:
    engine = sqlite_engine(str(tmp_path / "bank.db"))
    make_version_1(engine, ISSUER)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("PRAGMA query_only=ON"))
    with pytest.raises(StorageUnavailable, match="SQLITE_READONLY"):
        schema.upgrade(engine, ISSUER, RESEAL)
    assert found(engine) == 1
    engine.dispose()
