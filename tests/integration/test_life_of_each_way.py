"""The life of each way to confirm, at a terminal and in the Tk dialogue, with the client SDK, on the real server.

Each is added, used, mistyped, locked, lost and replaced; a password is nothing that is added or lost.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.bank_server import BankServer
from support.every_way import ORDER, adas_app, bank_with_every_way
from support.mailbox import Mailbox
from support.seats import SAVES, SCANS, AtATerminal, InFrontOfAWindow, Line, Seat
from support.terminal import Terminal
from support.totp import code_at
from support.windows import new_window
from upstile.client import (
    CeremonyFailed,
    Client,
    Method,
    NoMethodAvailable,
    Otp,
    Password,
    RecoveryCode,
    Totp,
    WebAuthn,
)
from upstile.client.testing import VirtualKey

SENT, PIN, CODES = "Code that you were sent", "PIN of your security key", "One of your recovery codes"
TYPED: dict[str, tuple[Method, Method, str, str, tuple[Line, ...]]] = {
    "app": (Totp(), Totp(), "First code", "Code from your authenticator app", (SCANS,)),
    "mail": (Otp("ada@example.com"), Otp("new@example.com"), SENT, "Code from the mail", ()),
    "text": (Otp("+43 660 1234512"), Otp("+43 660 7654321"), SENT, "Code from the text message", ()),
}
"""What is typed: the first one, its replacement, what is asked for at first and then, and what comes before."""


@pytest.fixture(params=["terminal", "window"])
def seat(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seat]:
    """Where the person sits."""
    monkeypatch.setenv("TERM", "dumb")
    if request.param == "terminal":
        terminal = Terminal()
        yield AtATerminal(terminal)
        terminal.close()
        return
    root = new_window(request.getfixturevalue("screen"))
    yield InFrontOfAWindow(root)
    root.destroy()


class Life:
    """Ada, who has an hour between any two things that she does."""

    def __init__(self, bank: BankServer, box: Mailbox, seat: Seat) -> None:
        self.bank, self.box, self.seat = bank, box, seat

    def does(self, work: Callable[[Client], object], *lines: Line, by: Method) -> None:
        """Something that is confirmed by a method."""
        self.bank.clock.ahead += 3600
        with closing(adas_app(self.bank, self.seat.prompter, [by])) as app:
            self.seat.plays(lambda: work(app), *lines)

    def is_locked(self, work: Callable[[Client], object], label: str, wrong: str, *, by: Method, left: int = 5) -> None:
        """So many wrong answers, and not one more."""
        told = ["", *(f"Attempts left: {each}" for each in range(left - 1, 0, -1))]
        with pytest.raises(CeremonyFailed, match="Too many wrong codes"):
            self.does(work, *(Line(label, wrong, after) for after in told), by=by)

    def code(self) -> str:
        """What was sent last, or what the authenticator app shows."""
        return self.box.code if self.box.messages else code_at(self.seat.seed, int(self.bank.clock()) // 30)


@pytest.fixture
def life(tmp_path: Path, seat: Seat) -> Iterator[Life]:
    """On a bank with every way."""
    with bank_with_every_way(tmp_path, box := Mailbox()) as bank:
        yield Life(bank, box, seat)


def pays(app: Client) -> None:
    """A call that takes two factors; the sign-in lends one."""
    assert app.post("/transfers", json=ORDER).status_code == 200


def reads(app: Client) -> None:
    """A call that takes any proof."""
    assert app.get("/statement").status_code == 200


def adds(method: Method, name: str) -> Callable[[Client], object]:
    """Adds one."""
    return lambda app: app.authenticators.enroll(method, name)


def removes(name: str) -> Callable[[Client], object]:
    """Removes one."""
    return lambda app: app.authenticators.remove(entry(app, name))


def entry(app: Client, name: str) -> str:
    """The identifier of an authenticator."""
    return next(entry.id for entry in app.authenticators.list() if entry.name == name)


@pytest.mark.parametrize("way", TYPED)
def test_of_a_code_that_is_shown_or_sent(life: Life, way: str) -> None:
    method, other, first, label, before = TYPED[way]
    wrong = "000000" if way == "app" else "00000000"
    right, first_right = Line(label, life.code), Line(first, life.code)
    life.does(adds(method, "old"), *before, Line(first, wrong), Line(first, life.code, "Attempts left"), by=method)
    life.does(pays, Line(label, wrong), Line(label, life.code, "Attempts left: 4"), by=method)
    life.is_locked(pays, label, wrong, by=method)
    life.does(adds(RecoveryCode(), "paper"), right, SAVES, by=method)
    one, another, *_ = life.seat.codes
    life.does(adds(other, "new"), Line(CODES, one), *before, first_right, by=RecoveryCode())
    life.does(removes("old"), Line(CODES, another), by=RecoveryCode())
    life.does(pays, right, by=method)


def test_of_a_security_key(life: Life) -> None:
    key, spare = VirtualKey(pin="2468"), VirtualKey(pin="1357")
    by_key, by_spare = WebAuthn(lambda: [key]), WebAuthn(lambda: [spare])
    right = Line(PIN, "2468")
    life.does(adds(by_key, "key"), Line(PIN, "9999"), Line("7 tries left", "2468"), by=by_key)
    life.does(adds(by_spare, "spare"), right, Line(PIN, "1357"), by=by_key)
    life.does(pays, Line(PIN, "9999"), Line("7 tries left", "2468"), by=by_key)
    with pytest.raises(NoMethodAvailable, match="The PIN of your security key is blocked"):
        life.does(pays, Line(PIN, "9999"), *(Line(f"{left} tries left", "9999") for left in (7, 6)), by=by_key)
    life.does(removes("key"), Line(PIN, "1357"), by=by_spare)
    life.does(pays, Line(PIN, "1357"), by=by_spare)


def test_of_recovery_codes(life: Life) -> None:
    by_mail, by_code = Otp("ada@example.com"), RecoveryCode()
    confirmed = Line("Code from the mail", life.code)
    life.does(adds(by_mail, "mail"), Line(SENT, life.code), by=by_mail)
    life.does(adds(by_code, "paper"), confirmed, SAVES, by=by_mail)
    old = life.seat.codes
    life.does(pays, Line(CODES, "0000-0000-0000-0000"), Line(CODES, old[0], "Attempts left: 4"), by=by_code)
    life.is_locked(pays, CODES, old[0], by=by_code)  # a used one is a wrong one
    life.does(lambda app: app.authenticators.regenerate(entry(app, "paper")), confirmed, SAVES, by=by_mail)
    new = life.seat.codes
    assert len({*old, *new}) == 20
    life.does(pays, Line(CODES, old[1]), Line(CODES, new[0].lower(), "Attempts left: 4"), by=by_code)


def test_of_the_password(life: Life) -> None:
    with pytest.raises(NoMethodAvailable):
        life.does(adds(Password(), "password"), by=Password())
    right = Line("Your password", "correct horse", "Attempts left: 4")
    life.does(reads, Line("Your password", "wrong"), right, by=Password())
    life.is_locked(reads, "Your password", "wrong", by=Password(), left=4)  # a right password ends no row
    life.does(reads, Line("Your password", "correct horse"), by=Password())


def test_each_way_that_a_client_offers_by_default_has_its_life_here() -> None:
    here = {method.name for method, *_ in TYPED.values()} | {WebAuthn.name, RecoveryCode.name, Password.name}
    with Client("https://api.example.com", client_id="bank-cli") as client:
        assert here == {method.name for method in client.step_up_auth.session.methods}
