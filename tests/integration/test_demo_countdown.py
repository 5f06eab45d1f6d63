"""The interactive demo counts down to the next code where the one on the phone was used."""

import re
from collections.abc import Iterator
from threading import Event, Timer
from time import monotonic

import pytest

from examples.bank.person import PersonAtTheTerminal
from support.terminal import Terminal
from support.totp import code_at, seed_in
from upstile.client import StepUpCancelled
from upstile.client.testing import Clock

SECRET = "JBSWY3DPEHPK3PXP"
URI = f"otpauth://totp/Bank:ada?secret={SECRET}&issuer=Bank"
LABEL = "Code from your authenticator app"


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


def _at_a_clock_that_is(seconds_before_the_next_code: float, terminal: Terminal) -> tuple[PersonAtTheTerminal, Clock]:
    clock = Clock()
    clock.move(-clock() % 30 - seconds_before_the_next_code)
    person = PersonAtTheTerminal(clock, own_key=False, device=terminal.device)
    reading = terminal.types("", after="▀" * 30)  # the lower edge of the picture
    person.show_key_uri(URI)
    reading.join()
    return person, clock


def _type(person: PersonAtTheTerminal, terminal: Terminal, code: str) -> None:
    typing = terminal.types(f"{code}\n", after=f"{LABEL}: ")
    assert person.code(LABEL, Event()) == code
    typing.join()


def test_who_used_the_code_is_told_when_the_next_one_is_there(terminal: Terminal) -> None:
    person, clock = _at_a_clock_that_is(1.5, terminal)
    _type(person, terminal, code_at(seed_in(SECRET), int(clock()) // 30))
    began = monotonic()
    _type(person, terminal, "654321")
    assert monotonic() - began < 10
    told = re.findall(r"You used the code that it shows\. The next one is there in +(\d+) s", terminal.shown)
    assert told in (["2", "1"], ["1"])  # a busy machine comes late
    assert clock() % 30 < 10


def test_who_typed_a_wrong_code_may_type_the_right_one_at_once(terminal: Terminal) -> None:
    person, clock = _at_a_clock_that_is(20, terminal)
    _type(person, terminal, "000000")
    began = monotonic()
    _type(person, terminal, code_at(seed_in(SECRET), int(clock()) // 30))
    assert monotonic() - began < 10


def test_who_gives_up_does_not_wait_for_the_next_code(terminal: Terminal) -> None:
    person, clock = _at_a_clock_that_is(25, terminal)
    _type(person, terminal, code_at(seed_in(SECRET), int(clock()) // 30))
    began, cancel = monotonic(), Event()
    Timer(0.2, cancel.set).start()
    with pytest.raises(StepUpCancelled):
        person.code(LABEL, cancel)
    assert monotonic() - began < 10
