"""The window of the Tk dialogue: where it opens, how it looks, and what it says while an authenticator is added."""

from collections.abc import Callable
from threading import Event

import pytest

from support.tk_person import TkPerson
from upstile.client.prompts import _key_uri
from upstile.client.prompts._tk_look import DARK, LIGHT
from upstile.client.tk import TkPrompter

URI = "otpauth://totp/Bank:ada?secret=JBSWY3DPEHPK3PXP&issuer=Bank"


def test_without_a_picture_nobody_is_told_to_scan_one(person: TkPerson, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_key_uri, "find_spec", lambda name: None)
    prompter, seen = TkPrompter(person.root), list[str]()

    def look(who: TkPerson) -> None:
        seen.append(who.sees())
        who.presses("Next")

    person.plays([("Type this secret into your authenticator app:", look)], lambda: prompter.show_key_uri(URI))
    assert "Scan" not in seen[0]


def test_every_page_of_an_enrolment_says_what_is_added_and_the_next_ceremony_does_not(person: TkPerson) -> None:
    prompter, cancel, pages = TkPrompter(person.root), Event(), list[str]()

    def presses(button: str) -> Callable[[TkPerson], None]:
        def look(who: TkPerson) -> None:
            pages.append(f"{who.dialogue().title()}: {who.sees()}")
            if "Next" not in who.sees():
                who.line().insert(0, "123456")
            who.presses(button)

        return look

    def ceremonies() -> None:
        prompter.opened(cancel)
        prompter.enrolling("totp")
        prompter.show_key_uri(URI)
        prompter.code("First code", cancel)
        prompter.ended(cancel)
        prompter.code("Another", cancel)

    steps = [("Scan", presses("Next")), ("First code", presses("Add")), ("Another", presses("Confirm"))]
    person.plays(steps, ceremonies)
    heads = [page.partition("\n")[0] for page in pages]
    assert heads == [
        *["Add an authenticator app: Add an authenticator app"] * 2,
        "Confirm it is you: Confirm it is you",
    ]


def test_a_key_uri_is_shown_with_its_secret_until_the_person_goes_on(person: TkPerson) -> None:
    prompter, secrets = TkPrompter(person.root), list[str]()

    def look(who: TkPerson) -> None:
        secrets.append(who.line().get())
        who.presses("Next")

    person.plays([("Scan this", look)], lambda: prompter.show_key_uri(URI))
    assert secrets == ["JBSW Y3DP EHPK 3PXP"]


def test_the_dialogue_opens_above_the_middle_of_the_apps_window_and_belongs_to_it(person: TkPerson) -> None:
    root, where = person.root, list[int]()
    root.geometry("600x500+300+200")
    root.update()
    prompter = TkPrompter(root)

    def look(who: TkPerson) -> None:
        who.root.update()
        shown = who.dialogue()
        assert str(shown.tk.call("wm", "transient", str(shown))) == "."
        where.append(shown.winfo_rootx() + shown.winfo_width() // 2)
        where.append(shown.winfo_rooty() + shown.winfo_height() // 2)
        who.types("123456")

    person.plays([("Code", look)], lambda: prompter.code("Code", Event()))
    assert where == pytest.approx([600, 450], abs=3)


def test_the_dialogue_is_shown_also_where_the_apps_window_is_not(person: TkPerson) -> None:
    prompter = TkPrompter(person.root)
    person.root.withdraw()
    try:
        steps = [("Code", lambda who: who.types("123456"))]
        assert person.plays(steps, lambda: prompter.code("Code", Event())) == "123456"
    finally:
        person.root.deiconify()


def test_the_look_is_that_of_the_apps_window_when_the_dialogue_opens(person: TkPerson) -> None:
    prompter, grounds, before = TkPrompter(person.root), list[str](), person.root["background"]

    def asks() -> None:
        prompter.code("Code", Event())
        prompter.finished(accepted=True)

    def look(who: TkPerson) -> None:
        grounds.append(str(who.dialogue()["background"]))
        who.types("123456")

    for ground in ("#111111", "#eeeeee"):
        person.root.configure(bg=ground)
        person.plays([("Code", look)], asks)
    person.root.configure(bg=before)
    assert grounds == [DARK.ground, LIGHT.ground]
