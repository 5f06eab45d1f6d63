"""Over SSH the browser runs on another machine, and its last address is pasted back."""

from collections.abc import Callable
from threading import Event as Flag

import httpx
import pytest

from support.false_issuer import FalseIssuer, Params
from upstile.client import (
    Browser,
    CallbackPrompter,
    StepUpCancelled,
)

PAY = "/pay?acr=mfa"


@pytest.fixture
def issuer() -> FalseIssuer:
    return FalseIssuer()


def _pasting(issuer: FalseIssuer, *texts: Callable[[Params], str]) -> CallbackPrompter:
    left = list(texts)

    def pasted() -> str | None:
        return left.pop(0)(issuer.asked[-1]) if left else None

    return CallbackPrompter(show_page=lambda url, opened: issuer.opens(url), pasted=pasted)


def test_over_ssh_the_address_is_pasted_back(issuer: FalseIssuer) -> None:
    issuer.answers = lambda asked: None
    prompter = _pasting(
        issuer,
        lambda asked: "what?",
        lambda asked: f"{asked['redirect_uri']}?code=c&state=another",
        lambda asked: f"{asked['redirect_uri']}?{httpx.QueryParams(issuer.good_answer(asked))}",
    )
    with issuer.client(browser=Browser(opens=False, pastes=True), prompter=prompter) as client:
        assert client.post(PAY).status_code == 200


def test_who_gives_up_pasting_has_cancelled(issuer: FalseIssuer) -> None:
    issuer.answers = lambda asked: None
    pasting = {"browser": Browser(opens=False, pastes=True), "prompter": _pasting(issuer)}
    with issuer.client(**pasting) as client, pytest.raises(StepUpCancelled) as cancelled:
        client.post(PAY)
    assert type(cancelled.value) is StepUpCancelled


def test_nobody_is_asked_to_paste_unless_the_app_says_so(issuer: FalseIssuer) -> None:
    def never() -> str | None:
        raise AssertionError

    prompter = CallbackPrompter(show_page=lambda url, opened: None, pasted=never)
    with issuer.client(prompter=prompter) as client:
        assert client.post(PAY).status_code == 200


def test_a_question_for_the_address_goes_away_when_the_browser_comes_back(issuer: FalseIssuer) -> None:
    dismissed = Flag()

    def pasted() -> str | None:
        assert dismissed.wait(5)
        return None

    prompter = CallbackPrompter(show_page=lambda url, opened: None, pasted=pasted, dismiss=dismissed.set)
    with issuer.client(browser=Browser(opens=issuer.opens, pastes=True), prompter=prompter) as client:
        assert client.post(PAY).status_code == 200
    assert dismissed.is_set()
