"""A person in front of the desktop app that pays, and of the windows that it opens."""

import tkinter as tk
from collections.abc import Callable
from time import monotonic, sleep
from tkinter import ttk

from support.bank_server import BankServer
from support.tk_person import TkPerson
from support.totp import code_at, seed_in

_PATIENCE = 20.0


class Payer(TkPerson):
    """Ada, at the app; the clock of her authenticator app is the bank's."""

    def __init__(self, root: tk.Tk, bank: BankServer) -> None:
        super().__init__(root)
        self._bank = bank
        self._seed = b""

    def waits_for(self, text: str, true: Callable[[], str] | None = None) -> None:
        """Let the app run until its window, or that of the ceremony, shows a text."""
        until, shown = monotonic() + _PATIENCE, true or self.sees
        while text not in shown():
            assert monotonic() < until, f"{text!r} is not in {self.sees()!r} or {self.reads()!r}"
            self.root.update()
            self.ticks += 1
            sleep(0.005)

    def settles(self) -> None:
        """Let everything be drawn."""
        until = monotonic() + 0.5
        while monotonic() < until:
            self.root.update()
            self.ticks += 1
            sleep(0.01)

    def waits_to_read(self, text: str) -> None:
        """The same for the app's own window."""
        self.waits_for(text, self.reads)

    def reads(self) -> str:
        """All that the app's own window shows."""
        return "\n".join(str(widget["text"]) for widget in self._own() if isinstance(widget, ttk.Label | ttk.Button))

    def fills(self, *texts: str) -> None:
        """Fill in the app's fields."""
        fields = [widget for widget in self._own() if isinstance(widget, ttk.Entry)]
        for field, text in zip(fields, texts, strict=True):
            field.delete(0, "end")
            field.insert(0, text)

    def clicks(self, text: str) -> None:
        """Press a button of the app."""
        next(widget for widget in self._own() if isinstance(widget, ttk.Button) and widget["text"] == text).invoke()

    def signs_in(self) -> None:
        """Sign in for the first time, and set up the authenticator app that the app asks for."""
        self.waits_to_read("Password")
        self.fills("ada", "correct horse")
        self.clicks("Sign in")
        self.waits_for("Scan this")
        self._seed = seed_in(self.line().get().replace(" ", ""))
        self.presses("Next")
        self.waits_for("First code")
        self.types(self.code())
        self.waits_to_read("Your balance")

    def sends(self, amount: str, payee: str) -> None:
        """Fill in an order, and send it."""
        self.fills(payee, amount)
        self.clicks("Send")

    def code(self) -> str:
        """A code that was not used yet."""
        self._bank.clock.ahead += 30
        return code_at(self._seed, int(self._bank.clock()) // 30)

    def _own(self) -> list[tk.Misc]:
        found: list[tk.Misc] = [child for child in self.root.winfo_children() if not isinstance(child, tk.Toplevel)]
        for widget in found:
            found.extend(widget.winfo_children())
        return found
