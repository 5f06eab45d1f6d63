"""A library above us that sends a call again, whatever was raised: nobody is asked again for what was given up."""

import httpx
import pytest

from support.desk import API, Desk, challenged
from upstile.client import BaseToken, OutcomeUnknown, StepUpCancelled
from upstile.client.flow._retries import KEPT
from upstile.client.testing import ScriptedPrompter

pytestmark = pytest.mark.usefixtures("library")

AGAIN = {"x-stainless-retry-count": "1"}
FOR_ITSELF = (
    'DPoP error="insufficient_user_authentication", acr_values="mfa", max_age=0, algs="ES256", '
    f'resource_metadata="{API}/.well-known/oauth-protected-resource"'
)


def declining(*codes: str) -> Desk:
    """A desk whose person has these codes, and declines after them."""
    desk = Desk()
    desk.person = ScriptedPrompter(codes)
    return desk


def test_a_retry_of_a_call_that_the_person_declined_asks_nobody() -> None:
    desk = declining()
    with desk.client() as bank:
        for headers in ({}, AGAIN, {"x-stainless-retry-count": "2"}):
            desk.monotonic.move(1)  # whoever calls in the same moment shares the refusal anyway
            with pytest.raises(StepUpCancelled):
                bank.post("/transfers", headers=headers)
        assert len(desk.person.occasions) == 1
        desk.monotonic.move(1)
        with pytest.raises(StepUpCancelled):  # a call of the app's own
            bank.post("/transfers", headers={"x-stainless-retry-count": "0"})
    assert len(desk.person.occasions) == 2


def test_what_was_declined_is_forgotten_after_a_while_and_concerns_one_call_only() -> None:
    desk = declining()
    with desk.client() as bank:
        for path in ("/transfers", "/other", "/transfers"):
            desk.monotonic.move(1)
            with pytest.raises(StepUpCancelled):
                bank.post(path, headers=AGAIN)
        assert len(desk.person.occasions) == 2
        desk.monotonic.move(KEPT + 1)
        with pytest.raises(StepUpCancelled):
            bank.post("/transfers", headers=AGAIN)
    assert len(desk.person.occasions) == 3


def test_what_one_user_declined_says_nothing_about_another_users_call() -> None:
    desk, whose = declining(), ["ada"]

    def token() -> BaseToken:
        return BaseToken(access_token=whose[0], token_type="DPoP", subject=whose[0])

    with desk.client(token=token) as bank:
        with pytest.raises(StepUpCancelled):
            bank.post("/transfers")
        whose[0] = "bob"
        with pytest.raises(StepUpCancelled):
            bank.post("/transfers", headers=AGAIN)
    assert len(desk.person.occasions) == 2


def test_a_retry_after_the_person_has_confirmed_is_a_call_as_any_other() -> None:
    desk = declining("123456", "123456")
    desk.always("call", lambda sent: challenged(FOR_ITSELF) if "BASE" in sent.headers["authorization"] else served())
    with desk.client() as bank:
        assert [bank.post("/transfers", headers=headers).status_code for headers in ({}, AGAIN)] == [200, 200]
        for headers in ({}, AGAIN):
            with pytest.raises(StepUpCancelled):
                bank.post("/transfers", headers=headers)
    assert len(desk.person.occasions) == 3


def test_a_retry_of_a_call_whose_outcome_is_unknown_is_not_carried_out() -> None:
    desk = Desk()
    desk.first("call", challenged(FOR_ITSELF), httpx.ReadError("gone"), challenged(FOR_ITSELF))
    with desk.client() as bank:
        for headers in ({}, AGAIN):
            with pytest.raises(OutcomeUnknown):
                bank.post("/transfers", headers=headers)
    assert (len(desk.person.occasions), len(desk.at("call"))) == (1, 3)


def served() -> httpx.Response:
    """What was asked for, done."""
    return httpx.Response(200, json={"done": True})
