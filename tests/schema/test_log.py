"""The log of revocations and its sweep, on SQLite and on PostgreSQL."""

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
from sqlalchemy import event

from support.accounts import ADA, ISSUER, NOW, PASSKEY, TOTP, end, enrol
from upstile.server.storage._records import ENDS_AFTER, GRACE, Revocation
from upstile.server.storage.schema import _tables as tables
from upstile.server.storage.sql import SqlLedger
from upstile.server.storage.sql._sweep import ROWS


def test_a_generation_that_goes_up_is_in_the_log(ledger: SqlLedger) -> None:
    ledger.change_account(ADA, end)
    ledger.change_account(ADA, lambda account: (dataclasses.replace(account, proofs=2), None))
    assert (ledger.account(ADA).logins, ledger.account(ADA).proofs) == (1, 2)
    seen = [(entry.kind, entry.name, entry.below, entry.expires_at) for entry in ledger.revocations_after(0, NOW)]
    ends = NOW + ENDS_AFTER
    assert seen == [("logins", "ada", 1, ends), ("proofs", "ada", 1, ends), ("proofs", "ada", 2, ends)]


def test_a_repeated_revocation_writes_nothing(engine: sa.Engine, ledger: SqlLedger) -> None:
    entry = Revocation(kind="token", name="jti", expires_at=NOW + 60)
    written = _written(engine)
    ledger.revoke(entry)
    ledger.revoke(entry)
    ledger.revoke(Revocation(kind="login", name="jti", expires_at=NOW + 60))
    assert [seen.kind for seen in ledger.revocations_after(0, NOW)] == ["token", "login"]
    assert written == ["INSERT", "INSERT"]


def test_of_many_who_revoke_one_thing_one_writes_it(ledger: SqlLedger) -> None:
    entry = Revocation(kind="token", name="jti", expires_at=NOW + 60)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ledger.revoke(entry), range(16)))
    assert len(ledger.revocations_after(0, NOW)) == 1


def test_the_log_is_read_from_a_number_on_and_by_one_issuer(engine: sa.Engine, ledger: SqlLedger) -> None:
    for name, life in [("a", 60), ("b", 10), ("c", 60)]:
        ledger.revoke(Revocation(kind="token", name=name, expires_at=NOW + life))
    first, *_ = ledger.revocations_after(0, NOW)
    assert [entry.name for entry in ledger.revocations_after(0, NOW + 10 + GRACE)] == ["a", "c"]
    assert [entry.name for entry in ledger.revocations_after(first.number, NOW)] == ["b", "c"]
    assert SqlLedger(engine, "https://other.example").revocations_after(0, NOW) == []


def test_an_entry_is_never_seen_before_one_with_a_lower_number(engine: sa.Engine, ledger: SqlLedger) -> None:
    """A transaction that has its number stays open: whoever comes later gets a number only when it has ended."""
    numbered, go_on = threading.Event(), threading.Event()

    def before_commit(_: sa.Connection) -> None:
        if not numbered.is_set():
            numbered.set()
            assert go_on.wait(10)

    event.listen(engine, "commit", before_commit)
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(ledger.change_account, ADA, end)
        assert numbered.wait(10)
        late = pool.submit(ledger.revoke, Revocation(kind="token", name="late", expires_at=NOW + 60))
        assert ledger.revocations_after(0, NOW) == []
        go_on.set()
        slow.result()
        late.result()
    assert [entry.name for entry in ledger.revocations_after(0, NOW)] == ["ada", "ada", "late"]


def test_a_number_is_never_given_twice(ledger: SqlLedger) -> None:
    ledger.revoke(Revocation(kind="token", name="a", expires_at=NOW))
    (first,) = ledger.revocations_after(0, NOW - 1)
    ledger.tidy(NOW + GRACE)
    assert ledger.revocations_after(0, NOW - 1) == []
    ledger.revoke(Revocation(kind="token", name="b", expires_at=NOW + 60))
    (second,) = ledger.revocations_after(0, NOW)
    assert second.number > first.number


def test_the_sweep_deletes_what_is_dead_and_nothing_else(ledger: SqlLedger) -> None:
    pending = dataclasses.replace(PASSKEY, state="pending", expires_at=NOW + 60)
    waiting = dataclasses.replace(pending, id="w", expires_at=NOW + 61)
    enrol(ledger, ADA, TOTP, pending, waiting)
    ledger.revoke(Revocation(kind="token", name="dead", expires_at=int(NOW + 60 - GRACE)))
    ledger.revoke(Revocation(kind="token", name="graced", expires_at=int(NOW + 61 - GRACE)))
    ledger.tidy(NOW + 60)
    assert [record.id for record in ledger.account(ADA).authenticators] == ["t", "w"]
    assert [entry.name for entry in ledger.revocations_after(0, 0)] == ["graced"]


def test_the_sweep_is_bounded_and_goes_on_next_time(engine: sa.Engine, ledger: SqlLedger) -> None:
    rows = [
        {"issuer": ISSUER, "kind": "token", "name": str(n), "below": 0, "expires_at": NOW} for n in range(ROWS + 20)
    ]
    with engine.begin() as connection:
        connection.execute(sa.insert(tables.revocations), rows)
    ledger.tidy(NOW + GRACE)
    assert len(ledger.revocations_after(0, 0)) == 20
    ledger.tidy(NOW + GRACE + 1)
    assert ledger.revocations_after(0, 0) == []


def _written(engine: sa.Engine) -> list[str]:
    """The first words of the statements that write, from now on."""
    seen: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if (word := statement.split()[0]) in {"INSERT", "UPDATE", "DELETE"}:
            seen.append(word)

    event.listen(engine, "before_cursor_execute", note)
    return seen
