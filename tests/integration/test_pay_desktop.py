"""The desktop example, on a virtual screen: it signs in, pays, is asked, and never stands still."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import enumerate as enumerate_threads
from time import monotonic, sleep

import pytest
from PIL import ImageGrab

from examples.pay_desktop.window import PayWindow
from support.bank_server import BankServer
from support.pay_window import Payer
from support.screenshots import picture_of
from support.windows import new_window

ROOT = Path(__file__).parents[2]
CODE = "Code from your authenticator app"


@pytest.fixture
def ada(screen: str, bank_server: BankServer) -> Iterator[Payer]:
    root = new_window(screen)
    window = PayWindow(root, bank_server.url, clock=bank_server.clock, monotonic=bank_server.clock)
    yield Payer(root, bank_server)
    window.close()


def test_a_payment_is_confirmed_in_a_window_above_and_the_next_one_asks_nobody(ada: Payer, screen: str) -> None:
    ada.signs_in()
    ada.sends("50", "ACME")
    ada.waits_for(CODE)
    assert "Confirm this transfer" in ada.sees()
    assert "Sending …" in ada.reads()  # the app's own window is drawn meanwhile
    ticks = ada.ticks
    ada.settles()
    assert ada.ticks > ticks + 5  # and does not stand still
    assert len(picture_of(screen, ada.root, ada.dialogue()).getcolors(1 << 16) or []) > 20  # it is drawn
    ada.types(ada.code())
    ada.waits_to_read("Sent 50.00 EUR to ACME.")
    ada.sends("2,50", "ACME")
    ada.waits_to_read("Sent 2.50 EUR to ACME.")
    assert "947.50 EUR" in ada.reads()


def test_who_cancels_reads_what_it_means_and_can_go_on(ada: Payer) -> None:
    ada.signs_in()
    ada.sends("50", "ACME")
    ada.waits_for(CODE)
    ada.presses("Cancel")
    ada.waits_to_read("You cancelled the confirmation. Nothing was done.")
    ada.sends("50", "ACME")
    ada.waits_for(CODE)
    ada.types(ada.code())
    ada.waits_to_read("Sent 50.00 EUR to ACME.")


def test_what_is_no_amount_goes_nowhere(ada: Payer, bank_server: BankServer) -> None:
    ada.signs_in()
    for amount in ("", "ten", "-1", "0", "nan", "inf"):
        ada.sends(amount, "ACME")
        ada.waits_to_read("an amount such as 50.00")
    ada.sends("1", " ")
    ada.waits_to_read("Enter who is paid")
    assert ("POST", "/transfers", 401) not in bank_server.exchanges


def test_a_wrong_password_and_a_bank_that_is_away_are_said(ada: Payer, bank_server: BankServer) -> None:
    ada.waits_to_read("Password")
    ada.fills("ada", "wrong horse")
    ada.clicks("Sign in")
    ada.waits_to_read("The bank refused: Unknown user or wrong password.")


def test_closing_the_window_during_the_ceremony_ends_the_app(screen: str, bank_server: BankServer) -> None:
    root = new_window(screen)
    window = PayWindow(root, bank_server.url, clock=bank_server.clock, monotonic=bank_server.clock)
    ada = Payer(root, bank_server)
    ada.signs_in()
    ada.sends("50", "ACME")
    ada.waits_for(CODE)
    began = monotonic()
    window.close()
    assert monotonic() - began < 1.0
    for thread in enumerate_threads():
        if thread.name.startswith("calls"):
            thread.join(5)
            assert not thread.is_alive()


@pytest.mark.long
def test_the_documented_command_opens_the_window(screen: str) -> None:
    assert _colours(screen) == 1
    command = [sys.executable, "-m", "examples.pay_desktop", "--dark"]
    environment = {**os.environ, "DISPLAY": screen}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as app:  # noqa: S603
        try:
            assert app.stdout is not None
            assert "Sign in as ada" in app.stdout.readline()
            until = monotonic() + 20
            while _colours(screen) < 20:
                assert monotonic() < until, "no window"
                sleep(0.1)
        finally:
            app.send_signal(signal.SIGINT)
            assert app.wait(20) == 0


def _colours(screen: str) -> int:
    return len(ImageGrab.grab(xdisplay=screen).getcolors(1 << 16) or [])
