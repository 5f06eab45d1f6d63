"""Ctrl-C at a prompt, SIGTERM during a ceremony, a terminal that vanishes: nothing is lost."""

import os
import signal
import termios
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from support.interrupted import PROMPTS
from support.rooms import Room, file_of, file_store
from support.terminal import Sitting, Terminal
from upstile.client import Client, NoMethodAvailable, StepUpError, TerminalPrompter

TESTS = Path(__file__).parents[2]
SAMPLE = [("code", "blocking")]
REST = [(where, how) for where in PROMPTS for how in ("blocking", "asyncio") if (where, how) not in SAMPLE]


def _sitting(where: str, folder: Path, how: str) -> Sitting:
    path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    arguments = ["-m", "support.interrupted", where, str(folder), how]
    return Sitting(arguments, cwd=TESTS, environment={"PYTHONPATH": path})


def _ended(folder: Path, where: str, how: str, interrupt: Callable[[Sitting], Any]) -> tuple[int, bool]:
    """The exit code, and whether the terminal is as it was; the sign-in is there, and the next call is served."""
    room = Room(file_store(folder))
    room.signed_in().close()
    before = file_of(folder).read_bytes()
    with closing(_sitting(where, folder, how)) as sitting:
        was = termios.tcgetattr(sitting._person)
        sitting.sees(PROMPTS[where])
        interrupt(sitting)
        code = sitting.program.wait(20)
        restored = termios.tcgetattr(sitting._person) == was
    assert file_of(folder).read_bytes() == before
    with room.client() as bank:
        assert bank.post("/transfers").status_code == 200
    assert len(room.desk.person.occasions) == 1
    return code, restored


def _control_c(sitting: Sitting) -> None:
    sitting.writes("\x03")


def _terminate(sitting: Sitting) -> None:
    sitting.program.terminate()


@pytest.mark.parametrize(("where", "how"), SAMPLE)
def test_ctrl_c_at_a_prompt_ends_the_program_and_loses_nothing(tmp_path: Path, where: str, how: str) -> None:
    assert _ended(tmp_path / "state", where, how, _control_c) == (-signal.SIGINT, True)


@pytest.mark.long
@pytest.mark.parametrize(("where", "how"), REST)
def test_ctrl_c_at_every_prompt_ends_the_program_and_loses_nothing(tmp_path: Path, where: str, how: str) -> None:
    assert _ended(tmp_path / "state", where, how, _control_c) == (-signal.SIGINT, True)


def test_sigterm_during_a_ceremony_loses_nothing(tmp_path: Path) -> None:
    code, _ = _ended(tmp_path / "state", "PIN", "blocking", _terminate)
    assert code == -signal.SIGTERM


@pytest.mark.long
@pytest.mark.parametrize("how", ["blocking+handler", "asyncio+handler"])
def test_an_app_that_ends_in_good_order_at_sigterm_gives_the_terminal_back(tmp_path: Path, how: str) -> None:
    assert _ended(tmp_path / "state", "PIN", how, _terminate) == (143, True)


@pytest.mark.parametrize("asks", ["code", "pin"])
def test_a_terminal_that_vanishes_is_a_sentence(asks: str) -> None:
    terminal, ended = Terminal(), list[BaseException]()
    prompter = TerminalPrompter(terminal.device)

    def ask() -> None:
        try:
            prompter.code("Code", Event()) if asks == "code" else prompter.pin("PIN", None, Event())
        except BaseException as error:
            ended.append(error)

    asking = Thread(target=ask, daemon=True)
    asking.start()
    terminal.sees("Code: " if asks == "code" else "PIN: ")
    terminal.close()
    asking.join(10)
    assert [type(error) for error in ended] == [NoMethodAvailable]
    assert isinstance(ended[0], StepUpError)
    assert ended[0].diagnostics() == "The terminal is gone. Run it in another terminal."


def test_without_a_terminal_nothing_is_begun_on_the_server(tmp_path: Path) -> None:
    room = Room(file_store(tmp_path / "state"))
    room.signed_in().close()
    bank: Client = room.client(prompter=TerminalPrompter("/nonexistent"))
    with bank, pytest.raises(NoMethodAvailable, match="no terminal"):
        bank.post("/transfers")
    assert room.desk.at("start") == []
