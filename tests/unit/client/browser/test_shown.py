"""What a person at a terminal is shown and asked while the browser is elsewhere."""

from collections.abc import Iterator
from threading import Event, Thread

import pytest

from support.false_issuer import FalseIssuer
from support.terminal import Terminal
from upstile.client import Browser, StepUpCancelled, TerminalPrompter

LONG = "https://issuer.example/auth?" + "&".join(f"parameter{n}=value{n}" for n in range(40))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("NO_COLOR", "1")
    made = Terminal()
    yield made
    made.close()


def test_the_address_is_shown_in_one_piece_so_that_it_can_be_copied(terminal: Terminal) -> None:
    TerminalPrompter(terminal.device).show_page(LONG, opened=False)
    shown = terminal.sees("gives up.")
    assert "Open this page in your browser:" in shown
    assert LONG in shown.replace("\r\n", "\n").split("\n")


def test_it_is_said_whether_a_browser_was_opened(terminal: Terminal) -> None:
    TerminalPrompter(terminal.device).show_page(LONG, opened=True)
    assert "This page was opened in your browser:" in terminal.sees("gives up.")


def test_over_ssh_an_address_is_typed_back(terminal: Terminal) -> None:
    issuer = FalseIssuer(answers=lambda asked: None)
    prompter = TerminalPrompter(terminal.device)

    def types() -> None:
        terminal.sees("paste the address")
        (asked,) = issuer.asked
        answer = "&".join(f"{name}={value}" for name, value in issuer.good_answer(asked).items())
        terminal.types(f"{asked['redirect_uri']}?{answer}\n", after="")

    def opens(url: str) -> bool:
        issuer.opens(url)
        return False

    browser = Browser(opens=opens, pastes=True)
    typing = Thread(target=types, daemon=True)
    typing.start()
    with issuer.client(prompter=prompter, browser=browser) as client:
        assert client.post("/pay?acr=mfa").status_code == 200
    terminal.sees("Confirmed.")
    assert "https://api.example asks cli to confirm it is you." in terminal.shown


def test_the_question_leaves_the_terminal_when_the_browser_comes_back(terminal: Terminal) -> None:
    over, ends = Event(), list[type[BaseException]]()

    def ask() -> None:
        try:
            TerminalPrompter(terminal.device).pasted(over)
        except StepUpCancelled as error:
            ends.append(type(error))

    asking = Thread(target=ask)
    asking.start()
    terminal.sees("paste the address")
    over.set()
    asking.join(5)
    assert ends == [StepUpCancelled]
