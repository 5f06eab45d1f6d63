"""The Tk dialogue, on a virtual screen: it asks, stays responsive, and is gone when it is over."""

import subprocess
import sys
import tkinter as tk
from threading import Event, Thread, Timer
from time import monotonic, sleep

import pytest

from support.desk import Desk
from support.tk_person import TkPerson
from support.ways import APP, KEY
from upstile.client import (
    ConfigurationError,
    Occasion,
    Requirement,
    StepUpCancelled,
    StepUpTimeout,
    Totp,
)
from upstile.client.tk import TkPrompter

CODE = "Code from your authenticator app"
OCCASION = Occasion(
    server="https://api.example.com",
    app="pay",
    account="ad••@example.com",
    reason="Send 50 EUR to ACME",
    requirement=Requirement(acr="mfa"),
)


def test_a_code_is_asked_for_in_a_window_that_says_why_and_goes_when_it_is_over(person: TkPerson) -> None:
    prompter = TkPrompter(person.root)
    seen = list[str]()

    def types(who: TkPerson) -> None:
        seen.append(who.sees())
        who.types("123 456")

    with Desk().client(prompter=prompter, client_id="pay") as bank:
        assert person.plays([(CODE, types)], lambda: bank.post("/transfers").status_code) == 200
    assert "https://api.example.com asks pay to confirm it is you." in seen[0]
    person.plays([], lambda: sleep(0.2))
    assert person.sees() == ""


def test_the_words_of_others_stand_in_boxes_of_their_own(person: TkPerson) -> None:
    prompter, shown = TkPrompter(person.root), list[list[str]]()
    occasion = Occasion(
        server="https://api.example.com",
        app="pay",
        account="ad\u202e•",
        reason="Pay\n\u2800\u2800Touch your key\u3164now",
        requirement=Requirement(acr="mfa"),
    )

    def look(who: TkPerson) -> None:
        shown.append(who.sees().split("\n"))
        who.presses("Continue")

    chosen = person.plays([("How do you want", look)], lambda: prompter.begin(occasion, KEY, [APP], Event()))
    assert chosen == "webauthn"
    assert "ad •" in shown[0]
    assert "Pay Touch your key now" in shown[0]


def test_another_method_can_be_chosen(person: TkPerson) -> None:
    prompter = TkPrompter(person.root)

    def change(who: TkPerson) -> None:
        who.presses("An authenticator app")
        who.presses("Continue")

    steps = [("How do you want", change)]
    assert person.plays(steps, lambda: prompter.begin(OCCASION, KEY, [APP], Event())) == "totp"


def test_a_pin_is_not_shown(person: TkPerson) -> None:
    prompter, hidden = TkPrompter(person.root), list[str]()

    def types(who: TkPerson) -> None:
        hidden.append(who.line()["show"])
        who.types("2468")

    steps = [("PIN (3 tries left)", types)]
    assert person.plays(steps, lambda: prompter.pin("PIN", 3, Event())) == "2468"
    assert hidden == ["•"]


def test_a_wrong_code_is_said_and_asked_for_again(person: TkPerson) -> None:
    desk, seen = Desk(), list[str]()
    desk.first("answer", desk.step(None, result="rejected"))  # type: ignore[arg-type]

    def again(who: TkPerson) -> None:
        seen.append(who.sees())
        who.types("222222")

    steps = [(CODE, lambda who: who.types("111111")), ("Attempts left: 4", again)]
    with desk.client(prompter=TkPrompter(person.root)) as bank:
        assert person.plays(steps, lambda: bank.post("/transfers").status_code) == 200
    assert [sent.form["otp"] for sent in desk.at("answer")] == ["111111", "222222"]


def test_a_used_code_has_a_countdown(person: TkPerson) -> None:
    prompter = TkPrompter(person.root)
    prompter.next_code(1.2)
    steps = [("wait 1 s for the next", lambda who: None), ("The next code is there", lambda who: who.types("123456"))]
    assert person.plays(steps, lambda: prompter.code("Code", Event())) == "123456"


def test_the_code_that_was_just_used_is_not_sent_again_while_the_next_one_is_waited_for(person: TkPerson) -> None:
    desk = Desk()
    steps = [
        (CODE, lambda who: who.types("111111")),
        ("wait 30 s for the next", lambda who: who.types("111 111")),
        ("That code was used already.", lambda who: who.types("222222")),
    ]
    with desk.client(prompter=TkPrompter(person.root), interaction="required") as bank:
        person.plays(steps, lambda: [bank.post("/transfers"), bank.post("/transfers")])
    assert [sent.form["otp"] for sent in desk.at("answer")] == ["111111", "222222"]


@pytest.mark.parametrize(
    "gives_up",
    [
        lambda who: who.presses("Cancel"),
        lambda who: who.closes_the_window(),
        lambda who: (who.dialogue().focus_force(), who.dialogue().event_generate("<Escape>")),
    ],
    ids=["the button", "the frame", "Escape"],
)
def test_who_cancels_or_closes_the_window_is_asked_no_more(person: TkPerson, gives_up: object) -> None:
    desk = Desk()
    with desk.client(prompter=TkPrompter(person.root)) as bank, pytest.raises(StepUpCancelled):
        person.plays([(CODE, gives_up)], lambda: bank.post("/transfers"))  # type: ignore[list-item]
    assert desk.at("answer") == []
    person.plays([], lambda: sleep(0.2))
    assert person.sees() == ""


def test_a_touch_can_be_cancelled(person: TkPerson) -> None:
    prompter, cancel = TkPrompter(person.root), Event()

    def ceremony() -> bool:
        prompter.opened(cancel)
        prompter.touch("Touch your security key now")
        return cancel.wait(10)

    assert person.plays([("Touch your security key now", lambda who: who.presses("Cancel"))], ceremony)


def test_the_window_stays_responsive_while_it_asks(person: TkPerson) -> None:
    prompter, cancel = TkPrompter(person.root), Event()
    Timer(1.0, cancel.set).start()
    with pytest.raises(StepUpCancelled):
        person.plays([], lambda: prompter.code("Code", cancel))
    assert person.ticks > 20


def test_the_persons_time_closes_the_window(person: TkPerson) -> None:
    shown = list[str]()
    with Desk().client(prompter=TkPrompter(person.root), human_timeout=0.5) as bank, pytest.raises(StepUpTimeout):
        person.plays([(CODE, lambda who: shown.append(who.sees()))], lambda: bank.post("/transfers"))
    assert shown
    person.plays([], lambda: sleep(0.2))
    assert person.sees() == ""


def test_a_call_in_the_thread_of_tk_is_refused_at_once(person: TkPerson) -> None:
    desk = Desk()
    with desk.client(prompter=TkPrompter(person.root)) as bank:
        for call in (lambda: bank.post("/transfers"), lambda: bank.authenticators.enroll(Totp(), "phone")):
            began = monotonic()
            with pytest.raises(ConfigurationError, match="another thread"):
                call()
            assert monotonic() - began < 0.1
    assert desk.at("start") == []


@pytest.mark.parametrize("end", ["close", "destroy", "elsewhere"])
def test_closing_frees_every_waiting_caller(person: TkPerson, end: str) -> None:
    owner = tk.Toplevel(person.root)
    prompter = TkPrompter(owner)
    outcomes = list[type]()

    def caller() -> None:
        with pytest.raises(StepUpCancelled):
            prompter.code("Code", Event())
        outcomes.append(StepUpCancelled)

    def waiting() -> None:
        callers = [Thread(target=caller) for _ in range(3)]
        for one in callers:
            one.start()
        sleep(0.3)
        if end == "elsewhere":
            prompter.close()
        else:
            person.root.after_idle(prompter.close if end == "close" else owner.destroy)
        for one in callers:
            one.join(5)

    person.plays([], waiting)
    assert outcomes == [StepUpCancelled] * 3
    with pytest.raises(StepUpCancelled):  # and nobody waits for a closed one
        person.plays([], lambda: prompter.code("Code", Event()))


def test_a_ceremony_that_begins_after_the_window_was_closed_is_cancelled(person: TkPerson) -> None:
    prompter, cancel = TkPrompter(person.root), Event()
    prompter.close()
    prompter.opened(cancel)
    assert cancel.is_set()


def test_a_late_end_does_not_close_the_next_ceremonys_window(person: TkPerson) -> None:
    prompter, late, now = TkPrompter(person.root), Event(), Event()

    def ceremony() -> str:
        prompter.opened(late)
        prompter.opened(now)
        Timer(0.3, prompter.ended, [late]).start()
        return prompter.code("Code", now)

    def slowly(who: TkPerson) -> None:
        who.root.after(600, lambda: who.types("123456"))

    assert person.plays([("Code", slowly)], ceremony) == "123456"


def test_the_rest_of_the_client_does_not_import_tkinter() -> None:
    program = "import sys, upstile.client; sys.exit('tkinter' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0  # noqa: S603
