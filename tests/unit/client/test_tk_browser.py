"""The Tk dialogue while the person is at a page in a browser: its address, open again, paste back, cancel."""

import tkinter as tk
from collections.abc import Callable
from threading import Event, get_ident

import httpx
import pytest

from support.false_issuer import FalseIssuer
from support.tk_person import Step, TkPerson
from upstile.client import Browser, StepUpCancelled, StepUpTimeout
from upstile.client.tk import TkPrompter

PAY = "/pay?acr=mfa"
OPENED, TO_OPEN = "This page was opened in your browser:", "Open this page in your browser:"
PASTE = "If it runs elsewhere, paste the address it ends at:"
LONG = "https://issuer.example/auth?" + "&".join(f"parameter{n}=value{n}" for n in range(40))


def pays(issuer: FalseIssuer, person: TkPerson, steps: list[Step], browser: Browser, **options: float) -> int:
    """What a call ends in whose person does these steps."""
    with issuer.client(browser=browser, prompter=TkPrompter(person.root), **options) as client:
        status: int = person.plays(steps, lambda: client.post(PAY).status_code)
    return status


def block(person: TkPerson) -> tk.Text:
    return person._first(tk.Text)


def test_the_address_is_shown_in_full_and_goes_when_the_browser_has_come_back(person: TkPerson) -> None:
    issuer, seen, waits = FalseIssuer(), list[str](), list[Callable[[], object]]()

    def opens(url: str) -> bool:
        waits.append(lambda: issuer.opens(url))
        return True

    def look(who: TkPerson) -> None:
        seen.extend([block(who).get("1.0", "end-1c"), who.sees()])
        waits[0]()

    assert pays(issuer, person, [(OPENED, look)], Browser(opens=opens)) == 200
    assert httpx.URL(seen[0]).params["state"] == issuer.asked[-1]["state"]
    assert "https://api.example asks cli to confirm it is you." in seen[1]
    assert "Go on there." in seen[1]
    person.plays([], lambda: Event().wait(0.2))
    assert person.sees() == ""


def test_a_sign_in_is_headed_as_one(person: TkPerson) -> None:
    issuer, urls, seen = FalseIssuer(), list[str](), list[str]()

    def look(who: TkPerson) -> None:
        seen.append(f"{who.dialogue().title()}: {who.sees()}")
        issuer.opens(urls[0])

    browser = Browser(opens=urls.append)
    with issuer.client(token=None, browser=browser, prompter=TkPrompter(person.root)) as client:
        signed_in = person.plays([(OPENED, look)], client.sign_in)
    assert signed_in is not None
    assert signed_in.subject == "ada"
    assert seen[0].startswith("Sign in: Sign in\n")


def test_the_address_can_be_marked_and_copied_and_not_changed(person: TkPerson) -> None:
    prompter, cancel, found = TkPrompter(person.root), Event(), list[str]()

    def look(who: TkPerson) -> None:
        text = block(who)
        text.insert("1.0", "x")
        text.tag_add("sel", "1.0", "end-1c")
        found.append(text.get("sel.first", "sel.last"))
        who.presses("Copy the address")
        found.append(who.root.clipboard_get())
        assert "Copied." in who.sees()
        who.presses("Cancel")

    def shows() -> bool:
        prompter.opened(cancel)
        prompter.show_page(LONG, False)
        return cancel.wait(10)

    assert person.plays([(TO_OPEN, look)], shows)
    assert found == [LONG, LONG]


def test_who_cancels_beside_the_browser_has_cancelled(person: TkPerson) -> None:
    issuer = FalseIssuer(answers=lambda asked: None)
    with pytest.raises(StepUpCancelled) as ended:
        pays(issuer, person, [(OPENED, lambda who: who.presses("Cancel"))], Browser(opens=issuer.opens))
    assert type(ended.value) is StepUpCancelled


def test_a_browser_that_never_comes_back_takes_the_window_away(person: TkPerson) -> None:
    issuer = FalseIssuer(answers=lambda asked: None)
    with pytest.raises(StepUpTimeout):
        pays(issuer, person, [], Browser(opens=issuer.opens), human_timeout=0.5)
    person.plays([], lambda: Event().wait(0.2))
    assert person.sees() == ""


def test_the_page_can_be_opened_again_and_never_in_the_thread_of_tk(person: TkPerson) -> None:
    issuer, threads = FalseIssuer(), list[int]()

    def opens(url: str) -> bool:
        threads.append(get_ident())
        if len(threads) == 2:
            issuer.opens(url)
        return True

    assert pays(issuer, person, [(OPENED, lambda who: who.presses("Open again"))], Browser(opens=opens)) == 200
    assert len(threads) == 2
    assert get_ident() not in threads


def test_where_no_browser_starts_that_is_said_and_the_address_stays(person: TkPerson) -> None:
    issuer = FalseIssuer()

    def look(who: TkPerson) -> None:
        assert block(who).get("1.0", "end-1c").startswith("https://")
        who.presses("Cancel")

    steps: list[Step] = [(TO_OPEN, lambda who: who.presses("Open")), ("No browser could be started here.", look)]
    with pytest.raises(StepUpCancelled):
        pays(issuer, person, steps, Browser(opens=lambda url: False))


def test_an_app_that_lets_no_browser_be_opened_offers_none(person: TkPerson) -> None:
    issuer, seen = FalseIssuer(), list[str]()

    def look(who: TkPerson) -> None:
        seen.append(who.sees())
        issuer.opens(block(who).get("1.0", "end-1c"))

    assert pays(issuer, person, [(TO_OPEN, look)], Browser(opens=False)) == 200
    assert "Open\n" not in seen[0]
    assert PASTE not in seen[0]


def test_the_address_is_pasted_back_where_the_app_asked_for_it(person: TkPerson) -> None:
    issuer = FalseIssuer(answers=lambda asked: None)

    def pastes(who: TkPerson) -> None:
        asked = issuer.asked[-1]
        who.types(f"{asked['redirect_uri']}?{httpx.QueryParams(issuer.good_answer(asked))}")

    steps: list[Step] = [
        (PASTE, lambda who: who.types("https://another.example/?code=c&state=s")),
        ("That is not the address that your browser ends at.", pastes),
    ]
    assert pays(issuer, person, steps, Browser(opens=issuer.opens, pastes=True)) == 200


def test_the_question_for_the_address_goes_when_the_browser_comes_back_by_itself(person: TkPerson) -> None:
    issuer, urls = FalseIssuer(), list[str]()
    browser = Browser(opens=urls.append, pastes=True)
    assert pays(issuer, person, [(PASTE, lambda who: issuer.opens(urls[0]))], browser) == 200


def test_who_gives_up_pasting_has_cancelled(person: TkPerson) -> None:
    issuer = FalseIssuer(answers=lambda asked: None)
    browser = Browser(opens=issuer.opens, pastes=True)
    with pytest.raises(StepUpCancelled) as ended:
        pays(issuer, person, [(PASTE, TkPerson.closes_the_window)], browser)
    assert type(ended.value) is StepUpCancelled
