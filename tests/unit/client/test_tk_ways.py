"""The Tk dialogue: destinations, send again, another way, a password, recovery codes that are shown once."""

import stat
import tkinter as tk
from collections.abc import Callable
from pathlib import Path
from threading import Event
from time import sleep

import pytest

from support.desk import Desk
from support.several_ways import CODES, MAIL, PASSWORD, RECOVERY, TEXT, SeveralWays
from support.tk_person import Step, TkPerson
from support.ways import APP
from support.ways import MAIL as BY_MAIL
from upstile.client import (
    AnotherWay,
    Occasion,
    Otp,
    Password,
    RecoveryCode,
    Requirement,
    SendAgain,
    StepUpCancelled,
)
from upstile.client.tk import TkPrompter

OCCASION = Occasion(
    server="https://api.example.com", app="pay", account="ad••", reason="Confirm", requirement=Requirement(acr="mfa")
)
METHODS = [Otp(), Password(), RecoveryCode()]


def presses(*buttons: str) -> Callable[[TkPerson], None]:
    """Press one after another."""

    def press(who: TkPerson) -> None:
        for button in buttons:
            who.presses(button)

    return press


def types(text: str) -> Callable[[TkPerson], None]:
    """Type it, and press Enter."""
    return lambda who: who.types(text)


def _begun(prompter: TkPrompter) -> None:
    """The person has chosen the mail, of two ways."""
    assert prompter.begin(OCCASION, BY_MAIL, [APP], Event()) == BY_MAIL.id


def test_another_way_is_a_button_where_there_is_one(person: TkPerson) -> None:
    prompter = TkPrompter(person.root)

    def ceremony() -> None:
        _begun(prompter)
        prompter.code("Code", Event())

    with pytest.raises(AnotherWay):
        person.plays([("How do you want", presses("Continue")), ("Code", presses("Another way"))], ceremony)
    seen = list[str]()

    def look(who: TkPerson) -> None:
        seen.append(who.sees())
        who.types("123456")

    def alone() -> None:
        prompter.begin(OCCASION, BY_MAIL, [], Event())
        prompter.code("Code", Event())

    person.plays([("Code", look)], alone)
    assert "Another way" not in seen[0]


def test_send_again_counts_down_and_can_be_pressed_when_its_time_has_come(person: TkPerson) -> None:
    prompter, states = TkPrompter(person.root), list[str]()

    def ceremony() -> None:
        prompter.sent(BY_MAIL, 1.2)
        prompter.code("Code", Event())

    def early(who: TkPerson) -> None:
        states.append(who.sees())
        who.presses("Send again in 1 s")  # a disabled button does nothing

    with pytest.raises(SendAgain):
        person.plays([("Send again in 1 s", early), ("Send again\n", presses("Send again"))], ceremony)
    assert "Sent: a code by mail to a•••@example.com." in states[0]


def test_a_password_is_not_shown_and_a_blank_line_is_none(person: TkPerson) -> None:
    prompter, hidden = TkPrompter(person.root), list[str]()

    def look(who: TkPerson) -> None:
        hidden.append(who.line()["show"])
        who.types("")

    steps: list[Step] = [("Your password", look), ("Your password", types(" correct horse "))]
    assert person.plays(steps, lambda: prompter.password("Your password", Event())) == " correct horse "
    assert hidden == ["•"]


def test_recovery_codes_are_copied_and_saved_for_this_user_alone(
    person: TkPerson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompter, file, copied, told = TkPrompter(person.root), tmp_path / "codes.txt", list[str](), list[str]()
    file.write_text("what stood there before, and was longer than what is written now " * 3)
    file.chmod(0o644)
    monkeypatch.setattr("tkinter.filedialog.asksaveasfilename", lambda **_: str(file))

    def work(who: TkPerson) -> None:
        told.append(who.sees())
        who.presses("Copy")
        copied.append(who.root.clipboard_get())
        who.presses("Save to a file …")
        told.append(who.sees())
        who.presses("I have saved them")

    person.plays([("Save them now", work)], lambda: prompter.show_codes(CODES, Event()))
    assert told[0].startswith("Add recovery codes\n")
    assert "Saved: codes.txt" in told[1]
    assert copied == [f"{CODES[0]}\n{CODES[1]}\n"]
    assert file.read_text() == f"{CODES[0]}\n{CODES[1]}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written_is_said_and_the_codes_stay(
    person: TkPerson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompter, told = TkPrompter(person.root), list[str]()
    names = iter([str(tmp_path / "no folder" / "codes.txt"), ""])
    monkeypatch.setattr("tkinter.filedialog.asksaveasfilename", lambda **_: next(names))

    def work(who: TkPerson) -> None:
        for _ in range(2):  # the second time the person chooses no file
            who.presses("Save to a file …")
            told.append(who.sees())
        who.presses("Cancel")

    with pytest.raises(StepUpCancelled):
        person.plays([("Save them now", work)], lambda: prompter.show_codes(CODES, Event()))
    assert all("It could not be saved there: No such file or directory" in text for text in told)


def test_a_ceremony_goes_from_a_mail_that_cannot_be_sent_to_a_text_message_and_a_wrong_code(person: TkPerson) -> None:
    desk, seen = Desk(), list[str]()
    server = SeveralWays(desk, [MAIL, TEXT])
    server.not_sent = {"em1"}

    def again(who: TkPerson) -> None:
        seen.append(who.sees())
        who.types(server.last_code)

    steps: list[Step] = [
        ("How do you want", presses("A code by mail to a•••@example.com", "Continue")),
        ("Could not be sent: a code by mail", presses("Continue")),
        ("Code from the text message", types("11111111")),
        ("Attempts left: 4.", again),
    ]
    with desk.client(prompter=TkPrompter(person.root), methods=METHODS) as bank:
        assert person.plays(steps, lambda: bank.post("/transfers").status_code) == 200
    assert "the next one may do" not in seen[0]
    assert server.violations == []


def test_after_a_recovery_code_the_last_page_says_how_many_are_left_and_the_call_goes_on(person: TkPerson) -> None:
    desk = Desk()
    SeveralWays(desk, [PASSWORD, RECOVERY])
    steps: list[Step] = [
        ("How do you want", presses("Continue")),
        ("Your password", presses("Another way")),
        ("How do you want", presses("A recovery code", "Continue")),
        ("One of your recovery codes", types(CODES[0])),
    ]
    with desk.client(prompter=TkPrompter(person.root), methods=METHODS) as bank:
        assert person.plays(steps, lambda: bank.post("/transfers").status_code) == 200
    person.plays([], lambda: sleep(0.3))
    assert "Recovery codes left: 1. Make new ones soon." in person.sees()
    person.plays([("Recovery codes left", presses("Close"))], lambda: sleep(0.3))
    assert person.sees() == ""


def test_what_is_left_to_say_does_not_stay_in_the_way_of_the_next_ceremony(person: TkPerson) -> None:
    prompter = TkPrompter(person.root)

    def ceremonies() -> str:
        prompter.codes_left(2)
        prompter.finished(accepted=True)
        sleep(0.2)
        return prompter.code("The next code", Event())

    assert person.plays([("The next code", types("123456"))], ceremonies) == "123456"
    prompter.finished(accepted=True)
    person.plays([], lambda: sleep(0.3))
    assert person.sees() == ""


@pytest.mark.parametrize("page", ["password", "codes", "choice"])
def test_a_page_goes_when_the_ceremony_is_cancelled(person: TkPerson, page: str) -> None:
    prompter, cancel = TkPrompter(person.root), Event()
    asks: dict[str, Callable[[], object]] = {
        "password": lambda: prompter.password("Your password", cancel),
        "codes": lambda: prompter.show_codes(CODES, cancel),
        "choice": lambda: prompter.begin(OCCASION, BY_MAIL, [APP], cancel),
    }
    shown = {"password": "Your password", "codes": "Save them now", "choice": "How do you want"}[page]
    with pytest.raises(StepUpCancelled):
        person.plays([(shown, lambda who: cancel.set())], asks[page])
    person.plays([], lambda: sleep(0.2))
    assert person.sees() == ""


def test_two_hundred_destinations_and_long_words_leave_the_window_on_the_screen(person: TkPerson) -> None:
    desk = Desk()
    server = SeveralWays(desk, [{**MAIL, "id": f"em{n}", "hint": "x" * 5000} for n in range(200)])
    heights = list[int]()

    def look(who: TkPerson) -> None:
        who.root.update()
        heights.append(who.dialogue().winfo_height())
        assert len([widget for widget in who._widgets() if isinstance(widget, tk.Radiobutton)]) == 8
        who.presses("Continue")

    steps: list[Step] = [("How do you want", look), ("Code from the mail", lambda who: who.types(server.last_code))]
    with desk.client(prompter=TkPrompter(person.root), methods=METHODS) as bank:
        assert person.plays(steps, lambda: bank.post("/transfers").status_code) == 200
    assert heights[0] <= person.root.winfo_screenheight()
