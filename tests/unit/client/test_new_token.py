"""What comes out of a ceremony is checked before it is used (upstile profile §3, "The client's check")."""

import pytest

from support.desk import CHALLENGE, NOW, Desk, challenged
from upstile.client import StepUpUnsatisfied

pytestmark = pytest.mark.usefixtures("library")


@pytest.mark.parametrize(("max_age", "oldest"), [(10, 60), (60, 60), (61, 61), (300, 300)])
def test_the_new_authentication_may_be_as_old_as_max_age_but_always_a_minute(max_age: int, oldest: int) -> None:
    assert _transferred(max_age, age=oldest) == 200
    with pytest.raises(StepUpUnsatisfied, match=f"{oldest + 1} seconds old"):
        _transferred(max_age, age=oldest + 1)


def test_a_call_for_itself_alone_may_be_a_minute_old_as_well() -> None:
    assert _transferred(0, age=60) == 200
    with pytest.raises(StepUpUnsatisfied):
        _transferred(0, age=61)


@pytest.mark.parametrize("acr", ["pwd", "MFA", "", "phr mfa", "mfa2"])
def test_another_acr_than_was_asked_is_not_used(acr: str) -> None:
    desk = Desk()
    desk.token["acr"] = acr
    with desk.client() as bank, pytest.raises(StepUpUnsatisfied, match="was asked for"):
        bank.post("/transfers")
    assert desk.person.outcomes == [False]
    assert len(desk.at("call")) == 1


def test_any_one_of_several_acrs_that_were_asked_will_do() -> None:
    desk = Desk()
    desk.first("call", challenged(CHALLENGE.replace('"mfa"', '"phr mfa"')))
    with desk.client() as bank:
        assert bank.post("/transfers").status_code == 200


def test_a_server_that_says_nothing_leaves_it_to_the_api() -> None:
    desk = Desk()
    desk.token = {"expires_in": 300}
    with desk.client() as bank:
        assert bank.post("/transfers").status_code == 200
    assert desk.at("call")[1].headers["authorization"] == "DPoP ELEVATED-1"


def _transferred(max_age: int, age: int) -> int:
    desk = Desk()
    desk.first("call", challenged(CHALLENGE.replace("max_age=300", f"max_age={max_age}")))
    desk.token["auth_time"] = NOW - age
    with desk.client() as bank:
        return bank.post("/transfers").status_code
