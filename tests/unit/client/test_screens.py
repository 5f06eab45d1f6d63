"""What every terminal must do, held to a pseudo terminal and to a Windows console in software."""

from collections.abc import Iterator
from threading import Event, Thread, Timer
from time import monotonic

import pytest

from support.screens import PosixSitting, Sitting, WindowsSitting
from support.ways import APP, KEY
from upstile.client import NoMethodAvailable, Occasion, Requirement, StepUpCancelled, TerminalPrompter
from upstile.client.prompts._windows import WindowsConsole

OCCASION = Occasion(
    server="https://api.example.com", app="pay", account="ad••", reason="Confirm", requirement=Requirement(acr="mfa")
)


@pytest.fixture(params=[PosixSitting, WindowsSitting])
def sitting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sitting]:
    monkeypatch.setenv("TERM", "dumb")
    made: Sitting = request.param()
    yield made
    made.close()


def test_a_code_is_read_and_seen(sitting: Sitting) -> None:
    sitting.types(f"123456{sitting.enter}", after="Code: ")
    assert TerminalPrompter(screen=sitting.screen).code("Code", Event()) == "123456"
    assert "  Code: 123456\n" in sitting.shown()


def test_a_pin_is_read_and_not_seen(sitting: Sitting) -> None:
    sitting.types(f"9\x7f2468{sitting.enter}", after="PIN (3 tries left): ")
    assert TerminalPrompter(screen=sitting.screen).pin("PIN", 3, Event()) == "2468"
    assert sitting.shown() == "  PIN (3 tries left): \n"


def test_a_mistake_can_be_erased(sitting: Sitting) -> None:
    sitting.types(f"99\x7f\x7f77\x15123456{sitting.enter}", after="Code: ")
    assert TerminalPrompter(screen=sitting.screen).code("Code", Event()) == "123456"


def test_an_empty_line_is_asked_again(sitting: Sitting) -> None:
    def person() -> None:
        sitting.types(f"{sitting.enter}", after="Code: ").join()
        sitting.types(f"123456{sitting.enter}", after="Code: ")

    Thread(target=person, daemon=True).start()
    assert TerminalPrompter(screen=sitting.screen).code("Code", Event()) == "123456"


def test_another_method_can_be_chosen(sitting: Sitting) -> None:
    sitting.types(f"2{sitting.enter}", after="with a number: ")
    assert TerminalPrompter(screen=sitting.screen).begin(OCCASION, KEY, [APP], Event()) == APP


def test_a_prompt_that_is_cancelled_while_it_waits_returns_within_a_second(sitting: Sitting) -> None:
    cancel, began = Event(), monotonic()
    Timer(0.2, cancel.set).start()
    with pytest.raises(StepUpCancelled):
        TerminalPrompter(screen=sitting.screen).pin("PIN", None, cancel)
    assert monotonic() - began < 1.2


def test_a_used_code_has_a_countdown_above_the_question(sitting: Sitting) -> None:
    sitting.types(f"123456{sitting.enter}", after="Code: ")
    prompter = TerminalPrompter(screen=sitting.screen)
    prompter.next_code(17)
    assert prompter.code("Code", Event()) == "123456"
    assert "  That code was used: wait 17 s for the next.\n  Code: " in sitting.shown()
    sitting.types(f"123456{sitting.enter}", after="Again: ")
    prompter.code("Again", Event())
    assert sitting.shown().count("That code was used") == 1


def test_windows_arrow_and_control_keys_are_no_part_of_a_line() -> None:
    person = WindowsSitting()
    person.types("1\xe0K2\x00;3\t4\x1b123456\r", after="Code: ")
    assert TerminalPrompter(screen=person.screen).code("Code", Event()) == "123456"


@pytest.mark.parametrize("key", ["\x03", "\x1a", "\uffff"])
def test_windows_ctrl_c_the_end_and_a_console_that_is_gone_cancel(key: str) -> None:
    person = WindowsSitting()
    person.types(f"12{key}", after="Code: ")
    with pytest.raises(StepUpCancelled):
        TerminalPrompter(screen=person.screen).code("Code", Event())


def test_windows_what_was_typed_before_the_question_does_not_answer_it() -> None:
    person = WindowsSitting()
    person.console.keys.extend("999999\r")
    person.types("123456\r", after="Code: ")
    assert TerminalPrompter(screen=person.screen).code("Code", Event()) == "123456"


def test_windows_without_a_console_nothing_is_read() -> None:
    def none() -> None:
        raise OSError("the handle is invalid")

    person = WindowsSitting()
    person.console.keys.extend("123456\r")
    with pytest.raises(NoMethodAvailable, match="no console"):
        TerminalPrompter(screen=WindowsConsole(person.console, none)).code("Code", Event())  # type: ignore[arg-type]
