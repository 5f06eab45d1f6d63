"""The person at the terminal: on the terminal itself, whatever the pipes are connected to."""

import os
import pty
from collections.abc import Iterator
from threading import Event, Thread

import pytest

from upstile.client import NoMethodAvailable, Occasion, Requirement, StepUpCancelled, TerminalPrompter

OCCASION = Occasion(
    server="https://api.example.com",
    app="bank-cli",
    account="ad••@example.com",
    reason="Confirm this transfer",
    requirement=Requirement(acr="mfa"),
)


class Terminal:
    """A pseudo terminal: what the person types, what they see."""

    def __init__(self) -> None:
        self.person, own = pty.openpty()
        self.device = os.ttyname(own)
        self._own = own

    def types(self, text: str, after: str) -> Thread:
        """Type once a prompt was seen; joins with what was shown so far."""

        def wait_and_type() -> None:
            self.sees(after)
            os.write(self.person, text.encode())

        thread = Thread(target=wait_and_type, daemon=True)
        thread.start()
        return thread

    def sees(self, text: str) -> str:
        """Read until `text` has been shown."""
        shown = ""
        while text not in shown:
            shown += os.read(self.person, 1024).decode()
        return shown

    def close(self) -> None:
        os.close(self.person)
        os.close(self._own)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


def test_the_prompt_names_account_app_server_and_the_apis_words(
    terminal: Terminal, capfd: pytest.CaptureFixture[str]
) -> None:
    assert TerminalPrompter(terminal.device).begin(OCCASION, "totp", [], Event()) == "totp"
    shown = terminal.sees("Continuing with totp.")
    for word in ("https://api.example.com", "bank-cli", "ad••@example.com", "The API says: “Confirm this transfer”"):
        assert word in shown
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("typed", "chosen"),
    [("\n", "webauthn"), ("2\n", "totp"), ("totp\n", "totp"), ("1\n", "webauthn")],
)
def test_another_method_can_be_chosen(terminal: Terminal, typed: str, chosen: str) -> None:
    typing = terminal.types(typed, after="change with 1 webauthn, 2 totp: ")
    assert TerminalPrompter(terminal.device).begin(OCCASION, "webauthn", ["totp"], Event()) == chosen
    typing.join()


def test_a_code_is_read_from_the_terminal(terminal: Terminal, capfd: pytest.CaptureFixture[str]) -> None:
    typing = terminal.types(" 123456 \n", after="Code: ")
    assert TerminalPrompter(terminal.device).code("Code", Event()) == "123456"
    typing.join()
    assert capfd.readouterr() == ("", "")


def test_a_line_with_nothing_to_see_is_no_code(terminal: Terminal) -> None:
    def type_twice() -> None:
        for line in ("\u200b\n", "123456\n"):
            terminal.types(line, after="Code: ").join()

    typing = Thread(target=type_twice, daemon=True)
    typing.start()
    assert TerminalPrompter(terminal.device).code("Code", Event()) == "123456"
    typing.join()


def test_a_pin_is_not_echoed(terminal: Terminal) -> None:
    typing = terminal.types("2468\n", after="PIN (3 tries left): ")
    prompter = TerminalPrompter(terminal.device)
    assert prompter.pin("PIN", 3, Event()) == "2468"
    typing.join()
    prompter.touch("the end")
    assert "2468" not in terminal.sees("the end")


def test_a_cancelled_prompt_returns(terminal: Terminal) -> None:
    cancel = Event()
    cancel.set()
    with pytest.raises(StepUpCancelled):
        TerminalPrompter(terminal.device).code("Code", cancel)


def test_without_a_terminal_nothing_is_read_from_a_pipe() -> None:
    with pytest.raises(NoMethodAvailable) as caught:
        TerminalPrompter("/nonexistent").code("Code", Event())
    assert "prompter=" in caught.value.diagnostics()
