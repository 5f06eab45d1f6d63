"""The column of version 5, beside the release that does not know it and on the schema that does not have it."""

import asyncio
import dataclasses

import pytest
import sqlalchemy as sa

from support.accounts import ADA, ISSUER, NOW, PASSKEY, end, enrol
from upstile.server.storage import schema
from upstile.server.storage.postgresql import PostgresStore
from upstile.server.storage.schema import _upgrade, _version
from upstile.server.storage.sql import SqlLedger, postgresql_engine

KEY = dataclasses.replace(PASSKEY, transports=("usb", "teleport"))
BARE = dataclasses.replace(KEY, transports=())
# As the release of version 4 writes it: it names its columns.
OLD_ROW = sa.text(
    "INSERT INTO upstile_authenticators"
    " (id, issuer, subject, method, name, state, created, first, data, counter, closed, credential_id)"
    " VALUES ('p', :issuer, 'ada', 'webauthn', 'Key', 'active', :now, false,"
    """ '{"id": "credential-1", "backed_up": true}', 0, false, 'credential-1')"""
)


@pytest.fixture
def of_version_4(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    make_version_4(engine, monkeypatch)
    return engine


def make_version_4(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the release before has made of an empty database."""
    with monkeypatch.context() as patch:
        patch.setattr(_version, "HEAD", 4)
        patch.setattr(_upgrade, "HEAD", 4)
        schema.upgrade(engine, ISSUER)
    names = {column["name"] for column in sa.inspect(engine).get_columns("upstile_authenticators")}
    assert "transports" not in names


def test_they_are_not_kept_on_the_schema_before_and_all_else_is(of_version_4: sa.Engine) -> None:
    ledger = SqlLedger(of_version_4, ISSUER, clock=lambda: NOW)
    enrol(ledger, ADA, KEY)
    assert ledger.account(ADA).authenticators == (BARE,)
    enrol(ledger, ADA, dataclasses.replace(KEY, name="Blue"))
    assert [record for _, record in ledger.authenticators_after("", 10)] == [dataclasses.replace(BARE, name="Blue")]
    ledger.change_account(ADA, end)
    assert ledger.forget_account(ADA).logins == 2


def test_a_node_that_runs_through_the_upgrade_keeps_them_from_then_on(of_version_4: sa.Engine) -> None:
    ledger = SqlLedger(of_version_4, ISSUER, clock=lambda: NOW)
    enrol(ledger, ADA, KEY)
    schema.upgrade(of_version_4, ISSUER)
    assert ledger.account(ADA).authenticators == (BARE,)
    enrol(ledger, ADA, KEY)
    assert ledger.account(ADA).authenticators == (KEY,)
    enrol(ledger, ADA, BARE)
    assert ledger.account(ADA).authenticators == (BARE,)


def test_the_release_before_works_on_the_new_column(engine: sa.Engine, ledger: SqlLedger) -> None:
    with engine.begin() as connection:
        connection.execute(OLD_ROW, {"issuer": ISSUER, "now": NOW})
    assert ledger.account(ADA).authenticators == (BARE,)
    enrol(ledger, ADA, KEY)
    with engine.begin() as connection:  # it renames: it names what it changes, so the rest stays
        connection.execute(sa.text("UPDATE upstile_authenticators SET name = 'Blue' WHERE id = 'p'"))
    assert ledger.account(ADA).authenticators == (dataclasses.replace(KEY, name="Blue"),)


def test_ceremonies_of_postgresql_read_accounts_of_both_versions(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = postgresql_engine(postgres_url)
    make_version_4(engine, monkeypatch)

    async def through_the_upgrade() -> list[tuple[str, ...]]:
        store = PostgresStore(postgres_url, ISSUER)
        await store.prepare()
        seen: list[tuple[str, ...]] = []
        for upgrades in (lambda: None, lambda: schema.upgrade(engine, ISSUER)):
            await asyncio.to_thread(upgrades)
            await store.change_account(
                ADA, lambda account: (dataclasses.replace(account, authenticators=(BARE,)), None)
            )
            await store.change_account(ADA, lambda account: (dataclasses.replace(account, authenticators=(KEY,)), None))
            seen += [record.transports for record in (await store.account(ADA)).authenticators]
        await store.aclose()
        return seen

    assert asyncio.run(through_the_upgrade()) == [(), KEY.transports]
    engine.dispose()
