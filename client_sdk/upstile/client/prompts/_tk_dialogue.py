"""The window of the Tk prompter. All of this runs in the thread of Tk, and nothing of it waits."""

import tkinter as tk
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import ceil
from time import monotonic

from upstile.client._text import harmless
from upstile.client.prompts._key_uri import is_key_uri, picture_of, secret_in
from upstile.client.prompts._prompter import Occasion, Way
from upstile.client.prompts._tk_look import WIDTH, Look, place_above
from upstile.client.words import spoken

Reply = Callable[[str | None], None]
"""Takes what the person typed or chose; `None` is "cancel"."""

_PULSE = 600
_CHOSEN = "upstile_chosen"  # by its name in Tcl: a StringVar calls Tk in whatever thread frees it


class TkDialogue:
    """One window, shown while a ceremony lasts.

    Args:
        parent: a widget of the app.
        look: makes what makes the widgets, each time that the window opens.
        give_up: is called when the person cancels while no question is open.
    """

    def __init__(self, parent: tk.Misc, look: Callable[[], Look], give_up: Callable[[], None]) -> None:
        self._parent = parent
        self._new_look = look
        self._look = look()
        self._give_up = give_up
        self._reply: Reply | None = None
        self._occasion: Occasion | None = None
        self._adding: str | None = None
        self._warning = ""
        self._next_code_at: float | None = None
        self._window = tk.Toplevel(parent, padx=24, pady=20)
        self._window.withdraw()
        self._window.resizable(width=False, height=False)
        self._window.protocol("WM_DELETE_WINDOW", self.cancel)
        self._window.bind("<Escape>", lambda event: self.cancel())
        self._page = tk.Frame(self._window)

    def begin(self, occasion: Occasion, way: Way, others: Sequence[Way], reply: Reply) -> None:
        """Say why, and let the person choose where there is a choice."""
        self._occasion, self._warning = occasion, ""
        if not others:
            self.say("One moment …")
            reply(way.id)
            return
        page = self._new_page(reply)
        self._window.setvar(_CHOSEN, way.id)
        self._text("How do you want to confirm it?")
        for each in (way, *others):
            words = f"{each.words[:1].upper()}{each.words[1:]}"
            self._look.choice(page, words, each.id, _CHOSEN).pack(fill="x", pady=2)
        self._buttons("Continue", self._chosen)
        self._show()

    def ask(self, label: str, reply: Reply, *, hidden: bool) -> None:
        """Ask for a code or a PIN."""
        page = self._new_page(reply)
        self._count_down()
        self._text(label)
        entry = self._look.entry(page, hidden=hidden)
        entry.bind("<Return>", lambda event: self._go_on(entry.get()))
        self._buttons("Confirm" if self._adding is None else "Continue" if hidden else "Add", entry.get)
        self._show()
        entry.focus_set()

    def say(self, text: str, *, pulsing: bool = False) -> None:
        """Say something that needs no answer."""
        page = self._new_page(None)
        line = self._look.label(page, f"●  {text}" if pulsing else text)
        line.pack(fill="x", pady=(10, 0))
        if pulsing:
            self._pulse(line)
        self._buttons(None, str)
        self._show()

    def enrolling(self, method: str) -> None:
        """What follows adds an authenticator."""
        self._adding = f"Add {spoken(method)}"

    def show_key_uri(self, uri: str, reply: Reply) -> None:
        """Show a key URI until the person has added it."""
        self.enrolling("totp")
        page = self._new_page(reply)
        if not is_key_uri(uri):
            self._text("The key URI is malformed.")
        else:
            picture = picture_of(uri)
            if picture is None:
                self._text("Type this secret into your authenticator app:")
            else:
                self._text("Scan this with your authenticator app, or type the secret into it:")
                self._look.picture(page, picture).pack(pady=(8, 4))
            secret = self._look.entry(page, hidden=False)
            secret.insert(0, secret_in(uri))
            secret.configure(state="readonly", font="TkFixedFont")
        self._buttons("Next", lambda: "added")
        self._show()

    def rejected(self, attempts_left: int) -> None:
        """The next page says that the answer was wrong."""
        self._warning = f"That was not right. A code works once: the next one may do. Attempts left: {attempts_left}."

    def next_code(self, seconds: float) -> None:
        """The next page counts down to the next code."""
        self._next_code_at = monotonic() + seconds

    def hide(self) -> None:
        """Nothing is asked any more."""
        self._reply = self._occasion = self._adding = self._next_code_at = None
        self._warning = ""
        with suppress(tk.TclError):
            self._page.destroy()
            self._window.withdraw()

    def cancel(self) -> None:
        """The person cancels, or closes the window."""
        if self._reply is None:
            self._give_up()
        self._answer(None)
        self.hide()

    def destroy(self) -> None:
        """Take the window away for good."""
        self.hide()
        with suppress(tk.TclError):
            self._window.destroy()

    def _answer(self, text: str | None) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            reply(text)

    def _go_on(self, text: str) -> None:
        self._answer(text)
        self.say("One moment …")

    def _new_page(self, reply: Reply | None) -> tk.Frame:
        self._answer(None)  # a question that nobody answers any more
        if self._window.state() == "withdrawn":
            self._look = self._new_look()
            self._window.configure(bg=self._look.palette.ground)
        self._page.destroy()
        self._reply = reply
        self._page = page = tk.Frame(self._window, bg=self._look.palette.ground)
        page.pack(fill="both", expand=True)
        tk.Frame(page, width=WIDTH, bg=page["background"]).pack()  # pages differ in height only
        occasion, muted = self._occasion, self._look.palette.muted
        self._look.label(page, self._adding or "Confirm it is you", kind="head").pack(fill="x")
        if occasion is not None:
            asks = f"{occasion.server} asks {occasion.app} to confirm it is you."
            self._look.label(page, asks, kind="small", colour=muted).pack(fill="x", pady=(2, 10))
            for whose, words in (("Account", occasion.account), ("The service says", occasion.reason)):
                text = harmless(words)
                if text:
                    self._look.quote(page, whose, text).pack(fill="x", pady=(0, 8))
        if self._warning:
            self._look.label(page, self._warning, colour=self._look.palette.warning).pack(fill="x", pady=(4, 0))
            self._warning = ""
        return page

    def _chosen(self) -> str:
        value: object = self._window.tk.call("set", _CHOSEN)
        return str(value)

    def _text(self, text: str) -> None:
        self._look.label(self._page, text).pack(fill="x", pady=(8, 2))

    def _buttons(self, go_on: str | None, answer: Callable[[], str]) -> None:
        row = tk.Frame(self._page, bg=self._look.palette.ground)
        row.pack(fill="x", pady=(18, 0))
        if go_on is not None:
            main = self._look.button(row, go_on, main=True)
            main.configure(command=lambda: self._go_on(answer()))
            main.pack(side="right")
        cancel = self._look.button(row, "Cancel", main=False)
        cancel.configure(command=self.cancel)
        cancel.pack(side="right", padx=(0, 0 if go_on is None else 8))

    def _show(self) -> None:
        window, occasion = self._window, self._occasion
        head = self._adding or "Confirm it is you"
        window.title(f"{occasion.app}: {head[0].lower()}{head[1:]}" if occasion else head)
        if window.state() == "withdrawn":
            place_above(window, self._parent.winfo_toplevel())
        window.deiconify()
        window.tk.call("raise", str(window))

    def _count_down(self) -> None:
        at, self._next_code_at = self._next_code_at, None
        if at is None:
            return
        line = self._look.label(self._page, "", colour=self._look.palette.muted)
        line.pack(fill="x", pady=(8, 0))

        def tick() -> None:
            left = ceil(at - monotonic())
            said = f"That code was used: wait {left} s for the next." if left > 0 else "The next code is there."
            with suppress(tk.TclError):  # the page has gone
                line.configure(text=said)
                if left > 0:
                    line.after(200, tick)

        tick()

    def _pulse(self, line: tk.Label) -> None:
        colours = [self._look.palette.text, self._look.palette.accent]

        def tick() -> None:
            with suppress(tk.TclError):
                colours.reverse()
                line.configure(fg=colours[0])
                line.after(_PULSE, tick)

        line.after(_PULSE, tick)
