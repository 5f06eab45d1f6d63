"""Walking over all authenticators in pieces."""

import dataclasses
from secrets import token_urlsafe

from support.accounts import ADA, BOB, TOTP, enrol
from upstile.server.storage._records import AuthenticatorRecord, User
from upstile.server.storage.sql import SqlLedger


def walk(ledger: SqlLedger, limit: int) -> list[tuple[User, AuthenticatorRecord]]:
    seen: list[tuple[User, AuthenticatorRecord]] = []
    while page := ledger.authenticators_after(seen[-1][1].id if seen else "", limit):
        assert len(page) <= limit
        seen += page
    return seen


def test_each_authenticator_is_met_once_whatever_the_size_of_the_pieces(ledger: SqlLedger) -> None:
    # The order of a database's language mixes small and large letters; what counts is that it is one order.
    ids = {*"aAbBzZ_-019", *(token_urlsafe(9) for _ in range(60))}
    for user, own in ((ADA, sorted(ids)[::2]), (BOB, sorted(ids)[1::2])):
        enrol(ledger, user, *(dataclasses.replace(TOTP, id=id) for id in own))
    for limit in (1, 7, 1000):
        met = walk(ledger, limit)
        assert len(met) == len(ids)
        assert {record.id for _, record in met} == ids
    assert all(record in ledger.account(user).authenticators for user, record in walk(ledger, 50))


def test_those_that_are_pending_or_disabled_are_met_and_another_issuers_are_not(ledger: SqlLedger) -> None:
    pending = dataclasses.replace(TOTP, id="1", state="pending", expires_at=1)
    disabled = dataclasses.replace(TOTP, id="2", state="disabled")
    enrol(ledger, ADA, pending, disabled)
    enrol(ledger, User("https://shop.example", "ada"), dataclasses.replace(TOTP, id="3"))
    assert walk(ledger, 1) == [(ADA, pending), (ADA, disabled)]
