"""Machines without a browser, and without a place for it to come back to."""

from typing import Any

import pytest

from support.false_issuer import FalseIssuer
from upstile.client import (
    Browser,
    CallbackPrompter,
    NoMethodAvailable,
    StepUpError,
)

PAY = "/pay?acr=mfa"


@pytest.fixture
def issuer() -> FalseIssuer:
    return FalseIssuer()


def refused(issuer: FalseIssuer, **options: Any) -> StepUpError:
    """How a call ends that cannot be confirmed, and that it was sent once."""
    with issuer.client(**options) as client, pytest.raises(StepUpError) as error:
        client.post(PAY)
    assert len(issuer.calls) == 1
    return error.value


def test_without_a_browser_the_address_is_shown(issuer: FalseIssuer) -> None:
    def show(url: str, opened: bool) -> None:
        issuer.shown.append((url, opened))
        issuer.opens(url)

    prompter = CallbackPrompter(show_page=show)
    with issuer.client(browser=Browser(opens=False), prompter=prompter) as client:
        assert client.post(PAY).status_code == 200
    assert [opened for _, opened in issuer.shown] == [False]


def test_no_browser_and_no_place_to_show_the_address_is_said(issuer: FalseIssuer) -> None:
    error = refused(issuer, browser=Browser(opens=False), prompter=CallbackPrompter())
    assert isinstance(error, NoMethodAvailable)
    assert "no browser" in str(error)


def test_a_browser_that_was_opened_is_enough_for_a_prompter_that_shows_no_address(issuer: FalseIssuer) -> None:
    with issuer.client(prompter=CallbackPrompter()) as client:
        assert client.post(PAY).status_code == 200


def test_a_port_in_use_is_said_before_anybody_is_sent_anywhere(issuer: FalseIssuer) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = refused(issuer, browser=Browser(opens=issuer.opens, port=port))
    assert isinstance(error, NoMethodAvailable)
    assert str(port) in str(error)
    assert issuer.asked == []
