"""What may happen to a user's authenticators: plain functions over the account."""

from collections.abc import Sequence

from support.stores import NOW, USER, authenticator
from upstile.server.authorization.methods import Confirmed
from upstile.server.authorization.user._account import CONFIRM_TRIES, WITH_CODE, activated, added, tried
from upstile.server.storage import Account, AuthenticatorRecord


def _first(records: Sequence[AuthenticatorRecord], now: float) -> bool:
    return all(record.state != "active" for record in records)


def test_more_first_proofs_at_once_than_are_judged_do_not_remove_what_one_of_them_makes_active() -> None:
    pending = authenticator("new", state="pending", expires_at=int(NOW) + 600)
    account, judged = Account(user=USER, authenticators=(pending,)), []
    for _ in range(CONFIRM_TRIES + 3):
        account, counted = tried(account, "new", NOW)
        judged.append(counted)
    assert [counted is not None for counted in judged] == [True] * CONFIRM_TRIES + [False] * 3
    assert [counted[1] for counted in judged if counted] == [False] * (CONFIRM_TRIES - 1) + [True]
    account, active = activated(account, "new", Confirmed(data={}), NOW, _first)
    assert active is not None
    assert [record.state for record in account.authenticators] == ["active"]


def test_when_one_becomes_active_what_others_began_goes_but_for_what_an_enrolment_code_let_begin() -> None:
    account = Account(user=USER)
    for id, who in {"owner's": "owner", "owner's other": "owner", "thief's": "thief", "code's": "desk"}.items():
        pending = authenticator(id, state="pending", begun_by=who, expires_at=int(NOW) + 600)
        account, _ = added(account, pending, NOW, by_code=WITH_CODE if who == "desk" else None)
    account, active = activated(account, "owner's", Confirmed(data={}), NOW, _first)
    assert active is not None
    assert [record.id for record in account.authenticators] == ["owner's", "owner's other", "code's"]
