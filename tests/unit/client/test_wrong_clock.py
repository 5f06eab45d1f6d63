"""The clock of this machine may be wrong: how old a proof is, the server's `Date` and the monotonic clock say."""

from email.utils import formatdate

import httpx
import pytest

from support.desk import CHALLENGE, NOW, Desk, Sent, challenged
from upstile.client import StepUpUnsatisfied

pytestmark = pytest.mark.usefixtures("library")


@pytest.mark.parametrize("wrong", [-800, -45, 0, 45, 800])
def test_a_wrong_clock_asks_nobody_twice(wrong: int) -> None:
    desk = _desk(max_age=30, date=NOW)
    desk.clock.move(wrong)
    with desk.client() as bank:
        assert [bank.post("/transfers").status_code for _ in range(3)] == [200, 200, 200]
    assert len(desk.at("start")) == 1


def test_a_clock_that_is_set_meanwhile_changes_no_age() -> None:
    desk = _desk(max_age=30, date=NOW)
    with desk.client() as bank:
        bank.post("/transfers")
        for moved in (3600, -7200):
            desk.clock.move(moved)
            bank.post("/transfers")
    assert len(desk.at("start")) == 1


def test_a_proof_that_was_old_when_its_token_came_counts_from_then() -> None:
    desk = _desk(max_age=50, date=NOW + 40)
    desk.clock.move(40)
    with desk.client() as bank:
        bank.post("/transfers")
        desk.monotonic.move(9)
        bank.post("/transfers")
        assert len(desk.at("start")) == 1
        desk.monotonic.move(2)
        bank.post("/transfers")
    assert len(desk.at("start")) == 2


@pytest.mark.parametrize("date", [NOW, None, NOW + 100_000])
def test_a_proof_from_the_future_is_not_used(date: int | None) -> None:
    desk = _desk(max_age=300, date=date)
    desk.token["auth_time"] = NOW + 61
    with desk.client() as bank, pytest.raises(StepUpUnsatisfied, match="in the future"):
        bank.post("/transfers")
    desk = _desk(max_age=300, date=date)
    desk.token["auth_time"] = NOW + 60
    with desk.client() as bank:
        assert bank.post("/transfers").status_code == 200


def test_a_date_far_from_our_clock_is_not_believed() -> None:
    desk = _desk(max_age=300, date=NOW + 901)
    with desk.client() as bank:
        assert bank.post("/transfers").status_code == 200


def _desk(*, max_age: int, date: int | None) -> Desk:
    desk = Desk()

    def guarded(sent: Sent) -> httpx.Response:
        fresh = f"ELEVATED-{len(desk.at('token'))}" in sent.headers["authorization"]
        if fresh and desk.at("token"):
            return httpx.Response(200)
        return challenged(CHALLENGE.replace("max_age=300", f"max_age={max_age}"))

    def token(sent: Sent) -> httpx.Response:
        headers = {} if date is None else {"date": formatdate(date, usegmt=True)}
        name = f"ELEVATED-{len(desk.at('token'))}"
        return httpx.Response(200, json={"access_token": name, "token_type": "DPoP", **desk.token}, headers=headers)

    desk.always("call", guarded)
    desk.always("token", token)
    return desk
