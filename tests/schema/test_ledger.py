"""The durable operations, on SQLite and on PostgreSQL."""

import dataclasses
import logging
import traceback
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from secrets import token_hex
from typing import Literal

import pytest
import sqlalchemy as sa

from support.accounts import ADA, BOB, ISSUER, NOW, PASSKEY, TOTP, end, enrol
from upstile.server._errors import CredentialTaken, StorageUnavailable
from upstile.server.storage._records import Account, SigningKeyRecord, Use, User
from upstile.server.storage.sql import SqlLedger


def test_an_account_that_was_never_written_is_empty(ledger: SqlLedger) -> None:
    assert ledger.account(ADA) == Account(user=ADA)


def test_an_account_is_read_as_it_was_written_the_oldest_first(ledger: SqlLedger) -> None:
    pending = dataclasses.replace(
        PASSKEY, id="x", state="pending", begun_by="login key", first=True, expires_at=NOW + 60, counter=7, closed=True
    )
    enrol(ledger, ADA, pending, PASSKEY, TOTP)
    assert ledger.account(ADA) == Account(user=ADA, authenticators=(TOTP, PASSKEY, pending))
    assert ledger.account(BOB) == Account(user=BOB)


def test_what_is_changed_added_and_left_out_is_written_and_nothing_else(ledger: SqlLedger) -> None:
    enrol(ledger, ADA, TOTP, PASSKEY)
    enrol(ledger, BOB, dataclasses.replace(TOTP, id="b"))
    renamed, new = dataclasses.replace(PASSKEY, name="Phone"), dataclasses.replace(TOTP, id="n", created=NOW + 1)
    enrol(ledger, ADA, renamed, new)
    assert ledger.account(ADA).authenticators == (renamed, new)
    assert [record.id for record in ledger.account(BOB).authenticators] == ["b"]


def test_a_change_that_fails_changes_nothing(ledger: SqlLedger) -> None:
    def broken(_: Account) -> tuple[Account, None]:
        raise RuntimeError("broken")

    enrol(ledger, ADA, TOTP)
    with pytest.raises(RuntimeError):
        ledger.change_account(ADA, broken)
    enrol(ledger, BOB, dataclasses.replace(TOTP, id="b"))
    assert ledger.account(ADA).authenticators == (TOTP,)


def test_of_many_changes_of_one_account_none_is_lost(ledger: SqlLedger) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ledger.change_account(ADA, end), range(24)))
    assert (ledger.account(ADA).logins, len(ledger.revocations_after(0, NOW))) == (24, 48)


def test_a_credential_belongs_to_one_user_even_when_it_is_disabled(ledger: SqlLedger) -> None:
    enrol(ledger, ADA, dataclasses.replace(PASSKEY, state="disabled"))
    with pytest.raises(CredentialTaken):
        enrol(ledger, BOB, dataclasses.replace(PASSKEY, id="b"))
    enrol(ledger, BOB, dataclasses.replace(PASSKEY, id="b", state="pending"))
    with pytest.raises(CredentialTaken):
        enrol(ledger, BOB, dataclasses.replace(PASSKEY, id="b"))
    enrol(ledger, ADA)
    enrol(ledger, BOB, dataclasses.replace(PASSKEY, id="b"))


def test_another_issuer_may_know_the_same_credential(ledger: SqlLedger) -> None:
    enrol(ledger, ADA, PASSKEY)
    enrol(ledger, User("https://other.example", "ada"), dataclasses.replace(PASSKEY, id="o"))


def test_a_credential_may_be_replaced_in_one_change(ledger: SqlLedger) -> None:
    enrol(ledger, ADA, PASSKEY)
    enrol(ledger, ADA, dataclasses.replace(PASSKEY, id="p2"))
    assert [record.id for record in ledger.account(ADA).authenticators] == ["p2"]


def test_a_step_is_used_once(ledger: SqlLedger) -> None:
    enrol(ledger, ADA, TOTP)
    use = Use(user=ADA, id="t", counter=5, at=NOW)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: ledger.use(use), range(16))).count(True) == 1
    assert not ledger.use(dataclasses.replace(use, counter=4))
    assert not ledger.use(dataclasses.replace(use, counter=0))
    assert ledger.use(dataclasses.replace(use, counter=6, at=NOW + 30))
    record = ledger.account(ADA).authenticators[0]
    assert (record.counter, record.last_used, record.data) == (6, NOW + 30, TOTP.data)


def test_a_key_without_a_counter_is_used_again_and_what_it_taught_is_kept(ledger: SqlLedger) -> None:
    enrol(ledger, ADA, PASSKEY)
    data = {"id": "credential-1", "backed_up": False}
    assert ledger.use(Use(user=ADA, id="p", counter=0, at=NOW, data=data))
    assert ledger.use(Use(user=ADA, id="p", counter=0, at=NOW + 1))
    assert ledger.account(ADA).authenticators[0].data == data


def test_a_counter_that_went_back_is_taken_only_from_the_one_it_was_compared_with(ledger: SqlLedger) -> None:
    enrol(ledger, ADA, dataclasses.replace(PASSKEY, counter=7))
    lower = Use(user=ADA, id="p", counter=3, at=NOW)
    assert not ledger.use(lower)
    assert not ledger.use(dataclasses.replace(lower, back_from=6))
    assert ledger.use(dataclasses.replace(lower, back_from=7))
    assert ledger.account(ADA).authenticators[0].counter == 3


@pytest.mark.parametrize("state", ["pending", "disabled"])
def test_what_is_not_active_is_not_used(ledger: SqlLedger, state: Literal["pending", "disabled"]) -> None:
    enrol(ledger, ADA, dataclasses.replace(TOTP, state=state))
    assert not ledger.use(Use(user=ADA, id="t", counter=5, at=NOW))


def test_a_use_during_a_change_is_not_undone_by_it(ledger: SqlLedger) -> None:
    enrol(ledger, ADA, TOTP)
    with ThreadPoolExecutor(1) as pool:

        def rename(account: Account) -> tuple[Account, object]:
            used = pool.submit(ledger.use, Use(user=ADA, id="t", counter=5, at=NOW))
            wait([used], timeout=1)  # it does not end: it waits for this change
            named = tuple(dataclasses.replace(record, name="Renamed") for record in account.authenticators)
            return dataclasses.replace(account, authenticators=named), used

        ledger.change_account(ADA, rename)
    record = ledger.account(ADA).authenticators[0]
    assert (record.name, record.counter) == ("Renamed", 5)


def test_a_secret_is_made_once(engine: sa.Engine, ledger: SqlLedger) -> None:
    others = [SqlLedger(engine, ISSUER) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda pair: pair[1].secret("names", b"%d" % pair[0]), enumerate(others)))
    assert len(made) == 1
    assert ledger.secret("names", b"later") in made
    assert ledger.secret("other", b"own") == b"own"


def test_of_many_processes_one_makes_the_first_signing_key(engine: sa.Engine, ledger: SqlLedger) -> None:
    def one(number: int) -> str:
        made = SigningKeyRecord(kid=f"kid-{number}", sealed=b"sealed", created=NOW, signs_from=NOW)
        return ledger.change_signing_keys(lambda keys: (keys or [made], (keys or [made])[0].kid))

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(one, range(8)))) == 1


def test_signing_keys_are_the_newest_first_and_each_issuer_has_its_own(engine: sa.Engine, ledger: SqlLedger) -> None:
    old = SigningKeyRecord(kid="old", sealed=b"1", created=NOW - 9, signs_from=0)
    new = SigningKeyRecord(kid="new", sealed=b"2", created=NOW, signs_from=NOW + 600)
    ledger.change_signing_keys(lambda _: ([old, new], None))
    other = SqlLedger(engine, "https://other.example")
    other.change_signing_keys(lambda keys: ([dataclasses.replace(old, sealed=b"3")], keys))
    assert ledger.change_signing_keys(lambda keys: (keys, keys)) == [new, old]
    resealed = dataclasses.replace(old, sealed=b"4")
    ledger.change_signing_keys(lambda _: ([resealed], None))
    assert ledger.change_signing_keys(lambda keys: (keys, keys)) == [resealed]
    assert other.change_signing_keys(lambda keys: (keys, keys))[0].sealed == b"3"


def test_no_value_is_in_an_error_or_what_caused_it(ledger: SqlLedger, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    value = token_hex(8)
    enrol(ledger, ADA, dataclasses.replace(PASSKEY, data={"id": value}))
    taken = dataclasses.replace(PASSKEY, id="b", data={"id": value})
    same_id = dataclasses.replace(TOTP, id="p", name=value)
    for expected, record in [(CredentialTaken, taken), (StorageUnavailable, same_id)]:
        with pytest.raises(expected) as raised:
            enrol(ledger, User(ISSUER, value), record)
        assert value not in "".join(traceback.format_exception(raised.value))
        assert raised.value.__context__ is None
    assert value not in caplog.text


@pytest.mark.parametrize("subject", ["\ud800", "nul\x00"])
def test_a_name_that_no_database_keeps_raises_nothing_but_our_own(ledger: SqlLedger, subject: str) -> None:
    with suppress(StorageUnavailable):
        assert ledger.account(User(ISSUER, subject)).authenticators == ()


def test_without_its_tables_the_database_is_unavailable(engine: sa.Engine) -> None:
    with pytest.raises(StorageUnavailable, match=r"SQLITE_ERROR|UndefinedTable"):
        SqlLedger(engine, ISSUER).account(ADA)
