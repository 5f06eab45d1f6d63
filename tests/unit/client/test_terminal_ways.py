"""At a terminal: which destination, send again, another way, a password, recovery codes; nothing of it ambiguous."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from time import sleep

import pytest

from support.desk import Desk
from support.screens import PosixSitting, Sitting, WindowsSitting
from support.several_ways import CODES, MAIL, PASSWORD, RECOVERY, TEXT, SeveralWays
from support.terminal import Terminal
from support.ways import APP, KEY
from support.ways import MAIL as BY_MAIL
from upstile.client import (
    AnotherWay,
    Occasion,
    Otp,
    Password,
    RecoveryCode,
    Requirement,
    SendAgain,
    TerminalPrompter,
    Totp,
)

OCCASION = Occasion(
    server="https://api.example.com", app="pay", account="ad••", reason="Confirm", requirement=Requirement(acr="mfa")
)


@pytest.fixture(params=[PosixSitting, WindowsSitting])
def sitting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sitting]:
    monkeypatch.setenv("TERM", "dumb")
    made: Sitting = request.param()
    yield made
    made.close()


def _types(sitting: Sitting, *lines: tuple[str, str]) -> None:
    """Type each line once its prompt was seen for the first time after the one before."""

    def person() -> None:
        for after, line in lines:
            if line == "LATER":
                sitting.types("", after=after).join()
                sleep(1.0)
                sitting.types(f"R{sitting.enter}", after="").join()
            else:
                sitting.types(f"{line}{sitting.enter}", after=after).join()

    Thread(target=person, daemon=True).start()


def _chosen(sitting: Sitting) -> TerminalPrompter:
    """A prompter whose person has chosen the mail, of two ways."""
    prompter = TerminalPrompter(screen=sitting.screen)
    _types(sitting, ("with a number: ", ""))
    assert prompter.begin(OCCASION, BY_MAIL, [APP], Event()) == BY_MAIL
    return prompter


@pytest.mark.parametrize("line", ["?", " ? "])
def test_another_way_is_typed_at_a_code(sitting: Sitting, line: str) -> None:
    prompter = _chosen(sitting)
    _types(sitting, ("Code: ", line))
    with pytest.raises(AnotherWay):
        prompter.code("Code", Event())
    assert "  (? = another way)\n  Code: " in sitting.shown()


def test_and_at_a_pin_and_at_a_password(sitting: Sitting) -> None:
    prompter = _chosen(sitting)
    _types(sitting, ("PIN: ", "?"), ("Your password: ", "?"))
    with pytest.raises(AnotherWay):
        prompter.pin("PIN", None, Event())
    with pytest.raises(AnotherWay):
        prompter.password("Your password", Event())


def test_where_there_is_no_other_way_a_question_mark_is_no_wish(sitting: Sitting) -> None:
    prompter = TerminalPrompter(screen=sitting.screen)
    prompter.begin(OCCASION, BY_MAIL, [], Event())
    _types(sitting, ("PIN: ", "?"))
    assert prompter.pin("PIN", None, Event()) == "?"
    assert "another way" not in sitting.shown()


def test_send_again_is_refused_until_its_time_and_then_taken(sitting: Sitting) -> None:
    prompter = _chosen(sitting)
    prompter.sent(BY_MAIL, 0.8)
    _types(sitting, ("Code: ", "r"), ("Code: ", "LATER"))

    with pytest.raises(SendAgain):
        prompter.code("Code", Event())
    shown = sitting.shown()
    assert "  Sent: a code by mail to a•••@example.com.\n" in shown
    assert "  (r = send again in 1 s, ? = another way)\n  Code: " in shown
    assert "  Not yet: it can be sent again in 1 s.\n" in shown


def test_what_cannot_be_sent_again_has_no_word_for_it(sitting: Sitting) -> None:
    prompter = _chosen(sitting)
    prompter.sent(BY_MAIL, None)
    _types(sitting, ("Code: ", "r"))
    assert prompter.code("Code", Event()) == "r"
    assert "send again" not in sitting.shown()


def test_a_password_is_not_seen_keeps_its_blanks_and_is_asked_for_until_there_is_one(sitting: Sitting) -> None:
    prompter = TerminalPrompter(screen=sitting.screen)
    long = f" {'correct horse ' * 40}"
    _types(sitting, ("Your password: ", ""), ("Your password: ", long))
    assert prompter.password("Your password", Event()) == long
    assert "correct" not in sitting.shown()


def test_recovery_codes_stand_in_a_block_until_the_person_has_typed_saved(sitting: Sitting) -> None:
    prompter = TerminalPrompter(screen=sitting.screen)
    question = 'Type "saved" once you have saved them: '
    _types(sitting, (question, ""), (question, "yes"), (question, " Saved "))
    prompter.show_codes(CODES, Event())
    shown = sitting.shown()
    assert f"\n\n    {CODES[0]}\n    {CODES[1]}\n\n" in shown
    assert shown.count(question) == 3
    assert shown.count(CODES[0]) == 1


@pytest.mark.parametrize(
    ("left", "said"), [(7, "Recovery codes left: 7."), (3, "Recovery codes left: 3. Make new ones soon.")]
)
def test_how_many_are_left_is_said(sitting: Sitting, left: int, said: str) -> None:
    TerminalPrompter(screen=sitting.screen).codes_left(left)
    assert sitting.shown() == f"  {said}\n"


@pytest.mark.parametrize(("method", "helps"), [(APP, True), (BY_MAIL, False)])
def test_what_is_said_of_a_wrong_answer_fits_the_way(sitting: Sitting, method: object, helps: bool) -> None:
    prompter = TerminalPrompter(screen=sitting.screen)
    prompter.begin(OCCASION, method, [], Event())  # type: ignore[arg-type]
    prompter.rejected(4)
    assert ("the next one may do" in sitting.shown()) is helps


def test_the_countdown_to_the_next_code_runs_above_the_question_and_moves_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    prompter = TerminalPrompter(terminal.device)
    prompter.sent(BY_MAIL, 2.0)
    typing = terminal.types("r\n", after="(r = send again)")
    with pytest.raises(SendAgain):
        prompter.code("Code", Event())
    typing.join()
    assert "\x1b7\x1b[1A\r\x1b[2K  (r = send again in 1 s)\x1b8" in terminal.shown
    terminal.close()


@pytest.mark.parametrize("hint", ["x" * 64, "支" * 64, "a   3 a security key"])
def test_no_hint_leaves_its_rows(hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal()
    terminal.is_wide(40)
    way = replace(BY_MAIL, words=f"a code by mail to {hint}")
    typing = terminal.types("\n", after="with a number: ")
    TerminalPrompter(terminal.device).begin(OCCASION, way, [KEY], Event())
    typing.join()
    rows = terminal.shown.split("\r\n")
    assert [row for row in rows if len(row) + row.count("支") >= 40 and "Continuing" not in row] == []
    assert sum(row.startswith("  2 ") for row in rows) == 1
    terminal.close()


def test_who_changes_the_way_does_not_read_why_twice_and_the_next_ceremony_says_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    sitting = PosixSitting()
    prompter = TerminalPrompter(screen=sitting.screen)
    for _ in range(2):
        prompter.opened(Event())
        for _ in range(2):
            prompter.begin(OCCASION, BY_MAIL, [], Event())
    assert sitting.shown().count("asks pay to confirm it is you.") == 2
    sitting.close()


def _scenes() -> dict[str, tuple[Sequence[tuple[str, str]], Sequence[str]]]:
    number = "with a number: "
    return {
        "the text message, sent again": (
            [(number, "2"), ("Code from the text message: ", "r"), ("message: ", "LAST")],
            ["Sent: a text message to •••12.", "Not yet: it can be sent again in", "Confirmed."],
        ),
        "the mail, then a password": (
            [(number, "1"), ("Code from the mail: ", "?"), (number, "2"), ("Your password: ", "correct horse")],
            ["(r = send again in", "? = another way)", "2 your password", "Confirmed."],
        ),
        "a wrong code, then a recovery code": (
            [
                (number, "1"),
                *(("Code from the mail: ", "11111111"), ("mail: ", "?"), (number, "3"), ("codes: ", CODES[0].lower())),
            ],
            ["That was not right. Attempts left: 4.", "Recovery codes left: 1. Make new ones soon.", "Confirmed."],
        ),
    }


@pytest.mark.parametrize(("typed", "seen"), _scenes().values(), ids=_scenes())
def test_a_ceremony_from_the_choice_to_the_end(
    typed: Sequence[tuple[str, str]], seen: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    terminal, desk = Terminal(), Desk()
    server = SeveralWays(desk, [MAIL, TEXT, PASSWORD, RECOVERY])
    methods = [Totp(), Otp(), Password(), RecoveryCode()]

    def person() -> None:
        for after, line in typed:
            terminal.sees(after)
            if line:
                sleep(0.05)
                os.write(terminal.person, f"{server.last_code if line == 'LAST' else line}\n".encode())

    Thread(target=person, daemon=True).start()
    with desk.client(methods=methods, prompter=TerminalPrompter(terminal.device), human_timeout=20) as bank:
        assert bank.post("/transfers").status_code == 200
    terminal.sees("Confirmed.")
    for text in seen:
        assert text in terminal.shown
    assert "correct horse" not in terminal.shown
    assert server.violations == []
    terminal.close()


_AT_A_PROMPT = """
import sys
from threading import Event
from upstile.client import TerminalPrompter, Way, Occasion, Requirement
prompter, cancel = TerminalPrompter(), Event()
mail = Way(id="otp:em1", method="otp", words="a code by mail")
app = Way(id="totp", method="totp", words="an authenticator app")
occasion = Occasion(server="https://x", app="pay", account=None, reason=None, requirement=Requirement(acr="mfa"))
prompter.sent(mail, 25)
{"choice": lambda: prompter.begin(occasion, mail, [app], cancel),
 "code": lambda: prompter.code("Code", cancel),
 "password": lambda: prompter.password("Your password", cancel),
 "codes": lambda: prompter.show_codes(["7QKM-0ZCD-1A9W-0E1X"], cancel)}[sys.argv[1]]()
"""


@pytest.mark.parametrize(
    ("where", "prompt"),
    [("choice", "number: "), ("code", "Code: "), ("password", "password: "), ("codes", "saved them: ")],
)
def test_ctrl_c_ends_it_at_each_prompt_and_the_terminal_is_as_it_was(where: str, prompt: str, tmp_path: Path) -> None:
    from support.terminal import Sitting as AtAProgram

    ada = AtAProgram(["-c", _AT_A_PROMPT, where], cwd=tmp_path)
    try:
        ada.sees(prompt)
        ada.writes("\x03")
        assert ada.program.wait(20) == -signal.SIGINT
    finally:
        ada.close()


def test_recovery_codes_go_to_the_terminal_and_not_to_standard_output(tmp_path: Path) -> None:
    from support.terminal import Sitting as AtAProgram

    ada = AtAProgram(["-c", _AT_A_PROMPT, "codes"], cwd=tmp_path, stdout=subprocess.PIPE)
    try:
        ada.types("saved\n", after="saved them: ")
        assert ada.program.wait(20) == 0
        assert ada.program.stdout is not None
        with ada.program.stdout as pipe:
            assert pipe.read() == b""
        assert "7QKM-0ZCD-1A9W-0E1X" in ada.shown
    finally:
        ada.close()
