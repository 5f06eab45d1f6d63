"""Who has several ways to confirm chooses between them, at a terminal, on the real server."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from support.bank_server import BankServer
from support.every_way import ORDER, adas_app, bank_with_every_way
from support.mailbox import Mailbox
from support.terminal import Terminal
from upstile.client import CeremonyFailed, Otp, RecoveryCode, TerminalPrompter

MAIL, TEXT, NEW = "ada@example.com", "+43 660 1234512", "new@example.com"
SENT, BY_MAIL, BY_TEXT = "Code that you were sent: ", "Code from the mail: ", "Code from the text message: "
CODES, NUMBER = "One of your recovery codes: ", "with a number: "
SAVED = "once you have saved them: "

Line = tuple[str, str | Callable[[], str]]
"""What is typed after which prompt."""


class Ada:
    """She sits at a terminal, and reads mails and messages."""

    def __init__(self, bank: BankServer, box: Mailbox) -> None:
        self.bank, self.box, self.terminal = bank, box, Terminal()
        self.client = adas_app(bank, TerminalPrompter(self.terminal.device))

    def close(self) -> None:
        """Go away."""
        self.client.close()
        self.terminal.close()

    def code(self) -> str:
        """What came last."""
        return self.box.code

    def types(self, *lines: Line) -> "Thread":
        """Type the lines, each after its prompt."""

        def person() -> None:
            for after, line in lines:
                self.terminal.sees(after)
                os.write(self.terminal.person, f"{line if isinstance(line, str) else line()}\n".encode())

        typing = Thread(target=person, daemon=True)
        typing.start()
        return typing

    def does(self, work: Callable[[], Any], *lines: Line) -> str:
        """Do something while she types; returns what was shown meanwhile."""
        before, typing = len(self.terminal.shown), self.types(*lines)
        try:
            work()
        finally:
            typing.join(20)
            self.bank.clock.ahead += 61
        self.client.step_up_auth.session.prompter.touch("<mark>")
        self.terminal.sees("<mark>")
        return self.terminal.shown[before:]

    def pays(self) -> None:
        """The call that asks."""
        assert self.client.post("/transfers", json=ORDER).status_code == 200


@pytest.fixture
def ada(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ada]:
    """She has added her address."""
    monkeypatch.setenv("TERM", "dumb")
    with bank_with_every_way(tmp_path, box := Mailbox()) as bank, closing(Ada(bank, box)) as ada:
        ada.does(lambda: ada.client.authenticators.enroll(Otp(MAIL), "Mail"), (SENT, "00000000"), (SENT, ada.code))
        ada.bank.clock.ahead += 3600
        yield ada


def test_of_two_destinations_one_is_chosen_and_what_cannot_be_sent_goes_the_other_way(ada: Ada) -> None:
    add = lambda: ada.client.authenticators.enroll(Otp(TEXT), "Phone")  # noqa: E731
    ada.does(add, (BY_MAIL, ada.code), (SENT, ada.code))
    ada.bank.clock.ahead += 3600
    shown = ada.does(ada.pays, (NUMBER, "2"), (BY_TEXT, ada.code))
    assert "  2 a text message to +43 ••• 12\r\n" in shown
    ada.bank.clock.ahead += 3600
    ada.box.fault = "raises"

    def mended() -> str:
        ada.box.fault = None
        return "1"

    shown = ada.does(ada.pays, (NUMBER, ""), (NUMBER, mended), (BY_TEXT, ada.code))
    assert "Could not be sent: a code by mail to a•••@example.com." in shown
    assert "Confirmed." in shown


def test_a_lost_address_is_replaced_by_a_recovery_code(ada: Ada) -> None:
    made = ada.does(
        lambda: ada.client.authenticators.enroll(RecoveryCode(), "Paper"),
        *((BY_MAIL, ada.code), (SAVED, "saved")),
    )
    codes = _codes(made)
    assert len(set(codes)) == 10
    ada.bank.clock.ahead += 3600
    by_code = [(NUMBER, "2"), (CODES, codes[0].lower().replace("-", " "))]
    shown = ada.does(lambda: ada.client.authenticators.enroll(Otp(NEW), "New mail"), *by_code, (SENT, ada.code))
    assert ada.box.messages[-1].destination == NEW
    assert "Confirmed." in shown
    old = next(entry for entry in ada.client.authenticators.list() if entry.name == "Mail")
    ada.bank.clock.ahead += 3600
    ada.does(lambda: ada.client.authenticators.remove(old.id), *[(NUMBER, "3"), (CODES, codes[1])])
    ada.bank.clock.ahead += 3600
    with pytest.raises(CeremonyFailed):  # a used one is wrong, and five lock
        ada.does(ada.pays, (NUMBER, "2"), *[(CODES, codes[0])] * 5)
    ada.bank.clock.ahead += 3600
    assert "Confirmed." in ada.does(ada.pays, (NUMBER, ""), (BY_MAIL, ada.code))


def _codes(shown: str) -> list[str]:
    return re.findall(r"    ((?:[0-9A-Z]{4}-){3}[0-9A-Z]{4})\r\n", shown)
