"""The person at the terminal: on the terminal itself, whatever the pipes are connected to."""

import os
import termios
import tty
from collections.abc import Callable, Iterator
from threading import Event, Thread
from time import sleep

import pytest

from support.terminal import Terminal
from support.ways import APP, KEY
from upstile.client import NoMethodAvailable, Occasion, Requirement, StepUpCancelled, TerminalPrompter, Way

OCCASION = Occasion(
    server="https://api.example.com",
    app="bank-cli",
    account="ad••@example.com",
    reason="Confirm this transfer",
    requirement=Requirement(acr="mfa"),
)


def _as_a_shell_leaves_it(terminal: int) -> None:
    return None


def _without_returns(terminal: int) -> None:
    mode = termios.tcgetattr(terminal)
    mode[0] &= ~termios.ICRNL
    termios.tcsetattr(terminal, termios.TCSANOW, mode)


MODES: dict[str, Callable[[int], object]] = {
    "cooked": _as_a_shell_leaves_it,
    "cbreak": tty.setcbreak,
    "raw": tty.setraw,
    "no ICRNL": _without_returns,
}


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


def test_the_prompt_names_account_app_and_server_and_quotes_the_api_on_rows_of_its_own(
    terminal: Terminal, capfd: pytest.CaptureFixture[str]
) -> None:
    assert TerminalPrompter(terminal.device).begin(OCCASION, APP, [], Event()) == APP
    assert terminal.sees("Continuing with an authenticator app.\r\n").split("\r\n") == [
        "https://api.example.com asks bank-cli to confirm it is you.",
        "  Account:",
        "  │ ad••@example.com",
        "  The service says:",
        "  │ Confirm this transfer",
        "  Continuing with an authenticator app.",
        "",
    ]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("typed", "chosen"),
    [("\n", KEY), ("2\n", APP), ("totp\n", APP), ("1\n", KEY)],
)
def test_another_method_can_be_chosen(terminal: Terminal, typed: str, chosen: Way) -> None:
    typing = terminal.types(
        typed,
        after="  1 a security key\r\n  2 an authenticator app\r\n  Continuing with 1; Enter, or change with a number: ",
    )
    assert TerminalPrompter(terminal.device).begin(OCCASION, KEY, [APP], Event()) == chosen
    typing.join()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "typed", ["123456\n", "123456\r", "9\x7f123456\r", "99\x15123456\r", "\x1b[200~123456\x1b[201~\r"]
)
def test_a_line_is_read_whole_in_whatever_mode_the_terminal_was_left(terminal: Terminal, mode: str, typed: str) -> None:
    own = os.open(terminal.device, os.O_RDWR | os.O_NOCTTY)
    MODES[mode](own)
    before = termios.tcgetattr(own)

    def type_key_by_key() -> None:
        terminal.sees("Code: ")
        for key in typed:
            os.write(terminal.person, key.encode())
            sleep(0.005)

    typing = Thread(target=type_key_by_key, daemon=True)
    typing.start()
    assert TerminalPrompter(terminal.device).code("Code", Event()) == "123456"
    typing.join()
    assert termios.tcgetattr(own) == before
    os.close(own)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_said_begins_each_line_at_its_beginning(terminal: Terminal, mode: str) -> None:
    own = os.open(terminal.device, os.O_RDWR | os.O_NOCTTY)
    MODES[mode](own)
    TerminalPrompter(terminal.device).finished(accepted=True)
    os.close(own)
    assert terminal.sees("\n") == "  Confirmed.\r\n"


def test_who_was_not_asked_is_not_told_that_it_is_not_confirmed(terminal: Terminal) -> None:
    prompter = TerminalPrompter(terminal.device)
    prompter.finished(accepted=False)
    prompter.begin(OCCASION, APP, [], Event())
    prompter.finished(accepted=False)
    prompter.finished(accepted=False)
    prompter.touch("end")
    shown = terminal.sees("  end\r\n")
    assert shown.startswith("https://api.example.com asks")
    assert shown.count("Not confirmed.") == 1


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
    assert "prompter=" in caught.value.hint
