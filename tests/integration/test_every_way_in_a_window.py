"""Each way to confirm, in the Tk dialogue, on the real server: added, used, wrong, lost, replaced."""

import tkinter as tk
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.every_way import ORDER, adas_app, bank_with_every_way
from support.mailbox import Mailbox
from support.tk_person import Step, TkPerson
from upstile.client import Client, Otp, RecoveryCode, Requirement
from upstile.client.tk import TkPrompter

SENT, BY_MAIL, CHOICE = "Code that you were sent", "Code from the mail", "How do you want"


@pytest.fixture
def person(screen: str) -> Iterator[TkPerson]:
    """In front of an app's window."""
    root = tk.Tk(screenName=screen)
    yield TkPerson(root)
    root.destroy()


def types(text: str | Callable[[], str]) -> Callable[[TkPerson], None]:
    """Type it, and press Enter."""
    return lambda who: who.types(text if isinstance(text, str) else text())


def chooses(way: str) -> Callable[[TkPerson], None]:
    """Choose a way."""

    def choose(who: TkPerson) -> None:
        who.presses(way)
        who.presses("Continue")

    return choose


def test_a_person_adds_an_address_and_codes_confirms_mistypes_and_replaces_a_lost_address(
    person: TkPerson, tmp_path: Path
) -> None:
    box = Mailbox()
    with (
        bank_with_every_way(tmp_path, box) as bank,
        closing(adas_app(bank, TkPrompter(person.root))) as ada,
    ):

        def does(work: Callable[[], object], *steps: Step) -> None:
            person.plays(steps, work)
            bank.clock.ahead += 3600

        code, codes = types(lambda: box.code), list[str]()
        does(_adds(ada, Otp("ada@example.com"), "Mail"), (SENT, types("00000000")), ("Attempts left", code))
        does(_pays(ada), (BY_MAIL, types("00000000")), ("Attempts left: 4.", code))

        def saves(who: TkPerson) -> None:
            who.presses("Copy")
            codes.extend(who.root.clipboard_get().split())
            who.presses("I have saved them")

        does(_adds(ada, RecoveryCode(), "Paper"), (BY_MAIL, code), ("Save them now", saves))
        by_code: list[Step] = [(CHOICE, chooses("A recovery code")), ("One of your recovery codes", types(codes[0]))]
        does(_adds(ada, Otp("new@example.com"), "New"), *by_code, (SENT, code))
        assert box.messages[-1].destination == "new@example.com"
        old = next(entry.id for entry in ada.authenticators.list() if entry.name == "Mail")
        by_code[1] = ("One of your recovery codes", types(codes[1].lower()))
        does(lambda: ada.authenticators.remove(old), *by_code)
        does(_pays(ada), (CHOICE, chooses("A code by mail to n•••@example.com")), (BY_MAIL, code))
        any_proof = Requirement(max_age=60)
        password: list[Step] = [(CHOICE, chooses("Your password")), ("Your password", types("correct horse"))]
        does(lambda: ada.request("GET", "/balance", step_up=any_proof), *password)


def _adds(ada: Client, method: Otp | RecoveryCode, name: str) -> Callable[[], object]:
    return lambda: ada.authenticators.enroll(method, name)


def _pays(ada: Client) -> Callable[[], object]:
    return lambda: ada.post("/transfers", json=ORDER).raise_for_status()
