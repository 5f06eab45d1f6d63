"""A storage of version 1 is carried over whole, or left as it was."""

import json
import time
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from support.accounts import ADA, ISSUER
from support.version_1 import RESEAL, SEED, SIGNING_KEY, STEP, Bound, make_version_1
from upstile.protocol import base64url_decode
from upstile.server._errors import ConfigurationError
from upstile.server.storage import schema
from upstile.server.storage.sql import SqlLedger


def found(engine: sa.Engine) -> int | None:
    with engine.connect() as connection:
        return schema.version(connection)


def content(engine: sa.Engine) -> dict[str, list[sa.Row[Any]]]:
    """All rows of all tables."""
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        return {name: list(connection.execute(sa.select(sa.text("*")).select_from(sa.table(name)))) for name in names}


@pytest.fixture
def upgraded(engine: sa.Engine) -> SqlLedger:
    make_version_1(engine, ISSUER)
    assert found(engine) == 1
    schema.upgrade(engine, ISSUER, RESEAL)
    assert found(engine) == schema.HEAD
    return SqlLedger(engine, ISSUER)


def test_authenticators_keep_their_state_and_their_counters(upgraded: SqlLedger) -> None:
    records = {record.id: record for record in upgraded.account(ADA).authenticators}
    assert {id: record.state for id, record in records.items()} == {
        "app": "active",
        "passkey": "active",
        "old": "disabled",
    }
    assert {id: record.counter for id, record in records.items()} == {"app": STEP, "passkey": 7, "old": 0}
    assert records["passkey"].data == {"id": "credential-1", "public_key": "cose", "backed_up": True}
    assert [record.id for record in records.values() if record.first] == ["old"]
    assert not any(record.closed for record in records.values())
    assert (records["app"].created, records["app"].last_used) == (1_700_000_000, 1_700_000_009)


def test_seeds_are_sealed_anew_where_they_belong(upgraded: SqlLedger) -> None:
    for record in upgraded.account(ADA).authenticators:
        if record.method == "totp":
            sealed = json.loads(base64url_decode(record.data["seed"]))
            assert sealed == ["totp-seed", [ISSUER, "ada", record.id, "seed"], SEED.decode()]


def test_the_signing_key_is_ours_and_signs_at_once(upgraded: SqlLedger) -> None:
    (key,) = upgraded.change_signing_keys(lambda keys: (keys, keys))
    assert json.loads(key.sealed) == ["signing-key", [ISSUER, "", "kid", "private"], SIGNING_KEY.decode()]
    assert (key.kid, key.signs_from) == ("kid", 0)
    assert abs(key.created - time.time()) < 600


def test_what_was_revoked_stays_revoked(upgraded: SqlLedger) -> None:
    entries = upgraded.revocations_after(0, time.time())
    assert {(entry.kind, entry.name, entry.below) for entry in entries} == {
        ("token", "a-token-or-login", 0),
        ("login", "a-token-or-login", 0),
        ("logins", "ada", 1),
        ("proofs", "ada", 1),
    }
    assert (upgraded.account(ADA).logins, upgraded.account(ADA).proofs) == (1, 1)


def test_nothing_of_version_1_is_left_behind(engine: sa.Engine, upgraded: SqlLedger) -> None:
    fresh = {"upstile_schema", "upstile_accounts", "upstile_audit", "upstile_authenticators", "upstile_signing_keys"}
    assert set(content(engine)) == fresh | {
        "upstile_secrets",
        "upstile_revocations",
        "upstile_one_time",
        "upstile_notices",
    }


@pytest.mark.parametrize("wrong", [[], [Fernet.generate_key()], ["no key"]])
def test_with_a_wrong_key_nothing_is_changed(engine: sa.Engine, wrong: list[str | bytes]) -> None:
    make_version_1(engine, ISSUER)
    before = content(engine)
    with pytest.raises(ConfigurationError, match="nothing was changed"):
        schema.upgrade(engine, ISSUER, schema.resealing(lambda: wrong, Bound()))
    with pytest.raises(ConfigurationError, match="secret_keys are needed"):
        schema.upgrade(engine, ISSUER)
    assert content(engine) == before
    schema.upgrade(engine, ISSUER, RESEAL)
    assert found(engine) == schema.HEAD


def test_a_storage_of_another_issuer_is_refused_and_left_alone(engine: sa.Engine) -> None:
    make_version_1(engine, "https://other.example")
    before = content(engine)
    with pytest.raises(ConfigurationError, match=r"Set url='https://other\.example' again"):
        schema.upgrade(engine, ISSUER, RESEAL)
    assert content(engine) == before


@pytest.mark.parametrize("missing", ["upstile_ephemeral", "upstile_authenticators"])
def test_a_storage_that_was_made_in_part_is_carried_over(engine: sa.Engine, missing: str) -> None:
    make_version_1(engine, ISSUER)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP TABLE {missing}")
    schema.upgrade(engine, ISSUER, RESEAL)
    assert found(engine) == schema.HEAD
