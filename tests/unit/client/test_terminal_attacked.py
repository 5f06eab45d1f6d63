"""A terminal under attack: nothing poses as ours, nothing is left behind, nothing is read from elsewhere."""

import os
import subprocess
import sys
import termios
import tty
from collections.abc import Iterator
from dataclasses import replace
from threading import Event, Timer

import pytest

from support.terminal import Terminal
from support.ways import APP
from upstile.client import Occasion, Requirement, StepUpCancelled, TerminalPrompter
from upstile.client.prompts import _key_uri

OCCASION = Occasion(
    server="https://api.example.com", app="pay", account="ad••", reason=None, requirement=Requirement(acr="mfa")
)
URI = "otpauth://totp/Bank:ada?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Bank"
END = "\r\n  Continuing with totp.\r\n"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    made = Terminal()
    yield made
    made.close()


def _shown(terminal: Terminal, occasion: Occasion) -> list[str]:
    TerminalPrompter(terminal.device).begin(occasion, replace(APP, words="totp"), [], Event())
    return terminal.sees(END).split("\r\n")[:-1]


@pytest.mark.parametrize(
    "reason",
    [
        "Pay 1 EUR\n  Confirmed.",
        "Pay 1 EUR" + " " * 70 + "Continuing with totp.",
        "Pay 1 EUR" + "\u2800" * 70 + "  Continuing with totp.",
        "Pay 1 EUR" + "\u3164" * 51 + "  Code from your authenticator app: ",
        "Pay 1 EUR\u202e\x1b[2J\x1b[H  Continuing with totp.",
        "x" * 53 + "  Continuing with webauthn.",
        "x" * 290,
        "支" * 250,
        "🔑" * 250,
    ],
)
@pytest.mark.parametrize("columns", [60, 24])
def test_no_reason_and_no_account_leave_their_rows_behind_the_bar(
    terminal: Terminal, reason: str, columns: int
) -> None:
    terminal.is_wide(columns)
    shown = _shown(terminal, replace(OCCASION, reason=reason, account=reason))
    head = shown.index("  Account:")
    middle = shown.index("  The service says:")
    for row in [*shown[head + 1 : middle], *shown[middle + 1 : -1]]:
        assert row.startswith("  │ ")
        assert len(row) + sum(character in "支🔑" for character in row) < columns
    assert shown.count("  Continuing with totp.") == 1


def test_no_color_is_heeded_and_a_dumb_terminal_too(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in "".join(_shown(terminal, OCCASION))
    monkeypatch.delenv("NO_COLOR")
    assert "\x1b[1m" in "".join(_shown(terminal, OCCASION))
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in "".join(_shown(terminal, OCCASION))


def test_the_countdown_runs_above_what_is_typed_and_moves_nothing_else(terminal: Terminal) -> None:
    prompter = TerminalPrompter(terminal.device)
    prompter.next_code(2.0)
    typing = terminal.types("123456\n", after="The next code is there.")
    assert prompter.code("Code", Event()) == "123456"
    typing.join()
    first, _, rest = terminal.shown.partition("  Code: ")
    assert first == "  That code was used: wait 2 s for the next.\r\n"
    assert "\x1b7\x1b[1A\r\x1b[2K  That code was used: wait 1 s for the next.\x1b8" in rest


def test_a_countdown_that_is_wider_than_the_terminal_stands_still(terminal: Terminal) -> None:
    terminal.is_wide(30)
    prompter = TerminalPrompter(terminal.device)
    prompter.next_code(0.2)
    cancel = Event()
    Timer(0.5, cancel.set).start()
    with pytest.raises(StepUpCancelled):
        prompter.code("Code", cancel)
    prompter.touch("the end")
    assert "\x1b" not in terminal.sees("the end")


def test_a_key_uri_is_shown_as_text_as_a_secret_and_as_a_picture(terminal: Terminal) -> None:
    terminal.is_wide(60)
    prompter = TerminalPrompter(terminal.device)
    reading = terminal.types("", after="the end")
    prompter.show_key_uri(URI)
    prompter.touch("the end")
    reading.join()
    shown = terminal.shown.split("\r\n")
    assert shown[0] == f"  Add this to your authenticator app: {URI}"
    assert shown[1] == "  or type this secret: JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP"
    picture = [row for row in shown if set(row) & set("▀▄█")]
    assert len({len(row) for row in picture}) == 1
    assert len(picture[0]) <= 60
    assert set("".join(picture)) <= set(" ▀▄█")


def test_a_picture_that_does_not_fit_is_not_torn(terminal: Terminal) -> None:
    terminal.is_wide(30)
    TerminalPrompter(terminal.device).show_key_uri(URI)
    shown = terminal.sees("scan.)")
    assert "▀" not in shown


def test_without_segno_the_text_is_enough(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_key_uri, "find_spec", lambda name: None)
    TerminalPrompter(terminal.device).show_key_uri(URI)
    TerminalPrompter(terminal.device).touch("the end")
    assert "▀" not in terminal.sees("the end")


@pytest.mark.parametrize(
    "uri", ["https://evil.example/?secret=A", "otpauth://totp/x\u202e?secret=A", "otpauth://totp/x\n?secret=A", ""]
)
def test_what_is_no_key_uri_is_not_shown_for_a_camera(terminal: Terminal, uri: str) -> None:
    TerminalPrompter(terminal.device).show_key_uri(uri)
    assert terminal.sees("\n") == "  The key URI is malformed.\r\n"


@pytest.mark.parametrize("hidden", [True, False])
def test_a_cancelled_question_leaves_the_terminal_as_it_was(terminal: Terminal, hidden: bool) -> None:
    own = os.open(terminal.device, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(own)
    before, cancel = termios.tcgetattr(own), Event()
    Timer(0.2, cancel.set).start()
    prompter = TerminalPrompter(terminal.device)
    with pytest.raises(StepUpCancelled):
        prompter.pin("PIN", None, cancel) if hidden else prompter.code("Code", cancel)
    assert termios.tcgetattr(own) == before
    os.close(own)


ENDS = """
import sys, threading
from upstile.client import TerminalPrompter
asking = threading.Thread(target=TerminalPrompter(sys.argv[1]).pin, args=("PIN", None, threading.Event()), daemon=True)
asking.start()
sys.stdin.readline()  # the program ends while somebody is being asked
"""


def test_a_program_that_ends_during_a_question_leaves_the_terminal_as_it_was(terminal: Terminal) -> None:
    own = os.open(terminal.device, os.O_RDWR | os.O_NOCTTY)
    before = termios.tcgetattr(own)
    command = [sys.executable, "-c", ENDS, terminal.device]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as program:  # noqa: S603
        terminal.sees("PIN: ")
        assert not termios.tcgetattr(own)[3] & termios.ECHO
        program.communicate(b"\n", timeout=20)
    assert termios.tcgetattr(own) == before
    os.close(own)


PIPED = """
import threading
from upstile.client import NoMethodAvailable, TerminalPrompter
try:
    print("typed", TerminalPrompter().code("Code", threading.Event()))
except NoMethodAvailable as error:
    print(error.diagnostics())
"""


def test_a_pipe_is_never_read_for_the_code() -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", PIPED],
        input="123456\n",
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,  # without a terminal
        timeout=30,
    )
    assert done.stdout.startswith("There is no terminal to ask on. Run it in a terminal.")


BEHIND = """
import fcntl, os, sys, termios, threading
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from upstile.client import NoMethodAvailable, TerminalPrompter
child = os.fork()
if child == 0:
    os.setpgid(0, 0)  # a job in the background
    try:
        TerminalPrompter().code("Code", threading.Event())
    except NoMethodAvailable as error:
        os.write(int(sys.argv[1]), error.diagnostics().encode())
    os._exit(0)
_, status = os.waitpid(child, os.WUNTRACED)
os._exit(9 if os.WIFSTOPPED(status) else 0)
"""


def test_a_job_in_the_background_is_not_stopped_by_its_question(terminal: Terminal) -> None:
    own = os.open(terminal.device, os.O_RDWR | os.O_NOCTTY)
    reading, writing = os.pipe()
    command = [sys.executable, "-c", BEHIND, str(writing)]
    done = subprocess.run(  # noqa: S603
        command, stdin=own, pass_fds=[writing], start_new_session=True, check=False, timeout=30
    )
    os.close(writing)
    assert done.returncode == 0
    assert "runs in the background" in os.read(reading, 1000).decode()
    os.close(reading)
    os.close(own)
