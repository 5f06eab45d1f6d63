"""The window: sign in, then pay. Every call is made in the background, so it goes on while the person is asked."""

import tkinter as tk
from collections.abc import Callable
from concurrent.futures import Future
from decimal import Decimal, InvalidOperation
from tkinter import ttk
from typing import Any, Unpack

import httpx

from examples.bank.app import BankApp
from examples.pay_desktop.background import Background
from examples.pay_desktop.look import DARK, LIGHT, dress
from upstile.client import ClientOptions, StepUpError, Totp
from upstile.client.tk import TkPrompter

_WIDTH = 360


class PayWindow:
    """The app.

    Args:
        root: the window of Tk; made in the thread that runs its main loop.
        url: the bank's API.
        dark: the look.
        options: those of `upstile.client.Client`.
    """

    def __init__(self, root: tk.Tk, url: str, *, dark: bool = False, **options: Unpack[ClientOptions]) -> None:
        self._root = root
        options["prompter"] = TkPrompter(root, dark=dark)  # the one line for upstile
        self._bank = BankApp(url, **options)
        self._calls = Background(root)
        dress(root, DARK if dark else LIGHT)
        root.title("Pay")
        root.resizable(width=False, height=False)
        root.protocol("WM_DELETE_WINDOW", self.close)
        self._card = ttk.Frame(root, padding=(28, 24))
        self._card.pack()
        self._sign_in_page()

    def close(self) -> None:
        """End the app; whoever is being asked is asked no more."""
        self._calls.close()
        self._bank.client.close()
        self._root.destroy()

    def _sign_in_page(self) -> None:
        self._new_page("Sign in", "Bank")
        name, password = self._field("Name"), self._field("Password", hidden=True)

        def sign_in() -> str:
            self._bank.sign_in(*given)
            if not any(entry.state == "active" for entry in self._bank.client.authenticators.list()):
                self._bank.client.authenticators.enroll(Totp(), "my phone")
            return self._bank.balance()

        given: list[str] = []

        def press() -> None:
            given[:] = [name.get(), password.get()]
            self._working("Signing in …")
            self._calls.run(sign_in, self._ended(self._pay_page))

        self._button("Sign in", press)
        name.focus_set()

    def _pay_page(self, balance: str) -> None:
        self._new_page("Pay", "Your balance")
        total = ttk.Label(self._card, text=f"{balance} EUR", style="Sum.TLabel")
        total.pack(anchor="w", pady=(0, 12), before=self._form)
        payee, amount = self._field("To"), self._field("Amount in EUR")

        def sent(reply: Any) -> None:
            total.configure(text=f"{reply['balance']} EUR")
            for field in (payee, amount):
                field.delete(0, "end")
            self._say(f"Sent {reply['sent']} EUR to {reply['to']}.", "Good")
            payee.focus_set()

        def press() -> None:
            to, euros = payee.get().strip(), _euros(amount.get())
            if not to or euros is None:
                self._say("Enter who is paid, and an amount such as 50.00.", "Bad")
                return
            self._working("Sending …")
            self._calls.run(lambda: self._bank.transfer(to, euros), self._ended(sent))

        self._button("Send", press)
        payee.focus_set()

    def _ended(self, show: Callable[[Any], None]) -> Callable[["Future[Any]"], None]:
        """What to do with what came of a call: show it, or say why there is nothing to show."""

        def done(call: "Future[Any]") -> None:
            self._enable(True)
            try:
                result = call.result()
            except StepUpError as error:
                self._say(error.diagnostics(), "Bad")  # what happened, and what to do next
            except httpx.HTTPStatusError as error:
                self._say(f"The bank refused: {_reason(error.response)}.", "Bad")
            except httpx.HTTPError:
                self._say("The bank cannot be reached. Try again in a moment.", "Bad")
            else:
                show(result)

        return done

    def _new_page(self, head: str, below: str) -> None:
        for widget in self._card.winfo_children():
            widget.destroy()
        ttk.Label(self._card, text=head, style="Head.TLabel").pack(anchor="w")
        ttk.Label(self._card, text=below, style="Muted.TLabel").pack(anchor="w", pady=(2, 8))
        self._form = ttk.Frame(self._card)
        self._form.pack(fill="x")
        ttk.Frame(self._form, width=_WIDTH, height=1).pack()  # as wide as it ever gets
        self._status = ttk.Label(self._card, text="", style="Muted.TLabel", wraplength=_WIDTH)

    def _field(self, name: str, *, hidden: bool = False) -> ttk.Entry:
        ttk.Label(self._form, text=name, style="Muted.TLabel").pack(anchor="w", pady=(12, 4))
        entry = ttk.Entry(self._form, show="•" if hidden else "")
        entry.pack(fill="x")
        entry.bind("<Return>", lambda event: self._main.invoke())
        return entry

    def _button(self, text: str, press: Callable[[], None]) -> None:
        self._main = ttk.Button(self._form, text=text, style="Send.TButton", command=press)
        self._main.pack(anchor="e", pady=(20, 0))
        self._status.pack(fill="x", pady=(16, 0))

    def _working(self, text: str) -> None:
        self._say(text, "Muted")
        self._enable(False)

    def _enable(self, enabled: bool) -> None:
        for widget in self._form.winfo_children():
            if isinstance(widget, ttk.Entry | ttk.Button):
                widget.state(["!disabled" if enabled else "disabled"])

    def _say(self, text: str, kind: str) -> None:
        self._status.configure(text=text, style=f"{kind}.TLabel")


def _euros(text: str) -> str | None:
    try:
        amount = Decimal(text.strip().replace(",", "."))
    except InvalidOperation:
        return None
    return f"{amount:.2f}" if amount.is_finite() and amount > 0 else None


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"status {response.status_code}"
