"""The window of the Tk prompter. All of this runs in the thread of Tk, and nothing of it waits."""

import tkinter as tk
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic

from upstile.client._text import harmless
from upstile.client.prompts._prompter import Occasion, Way
from upstile.client.prompts._tk_look import WIDTH, Look, place_above, pulse, until
from upstile.client.prompts._tk_page import PageElsewhere
from upstile.client.prompts._tk_shown_once import put_codes, put_key_uri
from upstile.client.prompts._wishes import AnotherWay, SendAgain
from upstile.client.words import added, codes_left, shown, wrong

Answer = str | AnotherWay | SendAgain | None
"""What the person typed or chose, or wants instead; `None` is "cancel"."""
Reply = Callable[[Answer], None]
"""Takes it."""

_FAREWELL = 8000
"""Milliseconds for which the last page stays, where there is something to read on it."""
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
        self._head: str | None = None
        self._elsewhere: PageElsewhere | None = None
        self._warning = self._notice = ""
        self._next_code_at: float | None = None
        self._again_at: float | None = None
        self._others = False
        self._method: str | None = None
        self._farewell = ""
        self._parting = False
        self._window = tk.Toplevel(parent, padx=24, pady=20)
        self._window.withdraw()
        self._window.resizable(width=False, height=False)
        self._window.protocol("WM_DELETE_WINDOW", self.cancel)
        self._window.bind("<Escape>", lambda event: self.cancel())
        self._page = tk.Frame(self._window)

    def begin(self, occasion: Occasion, way: Way, others: Sequence[Way], reply: Reply) -> None:
        """Say why, and let the person choose where there is a choice."""
        self._occasion, self._others, self._again_at = occasion, bool(others), None
        methods = {each.id: each.method for each in (way, *others)}

        def chosen(answer: Answer) -> None:
            self._method = methods.get(answer) if isinstance(answer, str) else None
            reply(answer)

        if not others:
            self.wait()
            chosen(way.id)
            return
        page = self._new_page(chosen)
        self._window.setvar(_CHOSEN, way.id)
        self._text("How do you want to confirm it?")
        for each in (way, *others):
            self._look.choice(page, _begun(each.words), each.id, _CHOSEN).pack(fill="x", pady=2)
        self._buttons("Continue", self._chosen)
        self._show()

    def ask(self, label: str, reply: Reply, *, hidden: bool) -> None:
        """Ask for a code or a PIN."""
        page = self._new_page(reply)
        self._count_down()
        self._text(label)
        entry = self._look.entry(page, hidden=hidden)
        entry.bind("<Return>", lambda event: self._go_on(entry.get()))
        self._wishes(may_send=not hidden)
        self._buttons("Confirm" if self._head is None else "Continue" if hidden else "Add", entry.get)
        self._show()
        entry.focus_set()

    def say(self, text: str, *, pulsing: bool = False, closes: bool = False) -> None:
        """Say something that needs no answer."""
        page = self._new_page(None)
        line = self._look.label(page, f"●  {text}" if pulsing else text)
        line.pack(fill="x", pady=(10, 0))
        if pulsing:
            pulse(line, self._look.palette)
        self._buttons(None, str, away="Close" if closes else "Cancel")
        self._show()

    def enrolling(self, method: str) -> None:
        """What follows adds an authenticator."""
        self._head, self._method = f"Add {added(method)}", method

    def show_key_uri(self, uri: str, reply: Reply) -> None:
        """Show a key URI until the person has added it."""
        self.enrolling("totp")
        put_key_uri(self._new_page(reply), self._look, uri)
        self._buttons("Next", lambda: "added")
        self._show()

    def show_codes(self, codes: Sequence[str], reply: Reply) -> None:
        """Show recovery codes until the person says that they are saved."""
        self.enrolling("recovery_code")
        put_codes(self._new_page(reply), self._look, codes)
        self._buttons(shown("have-saved"), lambda: "saved")
        self._show()

    def show_page(self, elsewhere: PageElsewhere) -> None:
        """Show the address of a page in a browser, for as long as the person is there."""
        if self._occasion is None:  # nothing is confirmed
            self._head = "Sign in"
        self._elsewhere = elsewhere
        self.ask_address(None)

    def ask_address(self, reply: Reply | None) -> None:
        """Ask below it for the address that the browser ended at, where there is a reply."""
        page = self._new_page(reply)
        entry = self._elsewhere.put(page, self._look, asks=reply is not None) if self._elsewhere else None
        if entry is None:
            self._buttons(None, str)
        else:
            entry.bind("<Return>", lambda event: self._go_on(entry.get()))
            self._buttons("Continue", entry.get)
        self._show()

    def wait(self) -> None:
        """Something goes on that needs nobody."""
        self.say("One moment …")

    def rejected(self, attempts_left: int) -> None:
        """The next page says that the answer was wrong."""
        self._warning = wrong(self._method, attempts_left)

    def sent(self, way: Way, again_in: float | None) -> None:
        """The next page says that a code was sent; until another way is chosen it can be sent again."""
        self._notice = shown("sent", what=way.words)
        self._again_at = None if again_in is None else monotonic() + again_in

    def not_sent(self, way: Way) -> None:
        """The next page says that no code could be sent."""
        self._warning = shown("not-sent", what=way.words)

    def codes_left(self, left: int) -> None:
        """The last page says how many recovery codes are left."""
        self._farewell = codes_left(left)

    def next_code(self, seconds: float) -> None:
        """The next page counts down to the next code."""
        self._next_code_at = monotonic() + seconds

    def end(self) -> None:
        """Take the window away, after the person could read what is left to say."""
        if not self._farewell and not self._parting:
            self.hide()
            return
        text, self._farewell = self._farewell, ""
        if text:
            self.say(text, closes=True)
            self._parting = True
            page = self._page
            page.after(_FAREWELL, lambda: self.hide() if self._page is page else None)

    def hide(self) -> None:
        """Nothing is asked any more."""
        self._reply = self._occasion = self._head = self._elsewhere = self._next_code_at = self._again_at = (
            self._method
        ) = None
        self._others = self._parting = False
        self._warning = self._notice = self._farewell = ""
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

    def _answer(self, answer: Answer) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            reply(answer)

    def _go_on(self, answer: Answer) -> None:
        self._answer(answer)
        self.wait()

    def _new_page(self, reply: Reply | None) -> tk.Frame:
        self._answer(None)  # a question that nobody answers any more
        self._parting = False
        if self._window.state() == "withdrawn":
            self._look = self._new_look()
            self._window.configure(bg=self._look.palette.ground)
        self._page.destroy()
        self._reply = reply
        self._page = page = tk.Frame(self._window, bg=self._look.palette.ground)
        page.pack(fill="both", expand=True)
        tk.Frame(page, width=WIDTH, bg=page["background"]).pack()  # pages differ in height only
        occasion, muted = self._occasion, self._look.palette.muted
        self._look.label(page, self._head or "Confirm it is you", kind="head").pack(fill="x")
        if occasion is not None:
            asks = f"{occasion.server} asks {occasion.app} to confirm it is you."
            self._look.label(page, asks, kind="small", colour=muted).pack(fill="x", pady=(2, 10))
            for whose, words in (("Account", occasion.account), ("The service says", occasion.reason)):
                text = harmless(words)
                if text:
                    self._look.quote(page, whose, text).pack(fill="x", pady=(0, 8))
        for text, colour in ((self._notice, None), (self._warning, self._look.palette.warning)):
            if text:
                self._look.label(page, text, colour=colour).pack(fill="x", pady=(4, 0))
        self._notice = self._warning = ""
        return page

    def _chosen(self) -> str:
        value: object = self._window.tk.call("set", _CHOSEN)
        return str(value)

    def _text(self, text: str) -> None:
        self._look.label(self._page, text).pack(fill="x", pady=(8, 2))

    def _wishes(self, *, may_send: bool) -> None:
        """What else the person may want."""
        at = self._again_at if may_send else None
        if at is None and not self._others:
            return
        row = tk.Frame(self._page, bg=self._look.palette.ground)
        row.pack(fill="x", pady=(12, 0))
        if self._others:
            other = self._look.button(row, _begun(shown("another-way")), main=False)
            other.configure(command=lambda: self._go_on(AnotherWay()))
            other.pack(side="left", padx=(0, 8))
        if at is not None:
            again = self._look.button(row, "", main=False)
            again.configure(command=lambda: self._go_on(SendAgain()))
            again.pack(side="left")
            until(self._page, at, lambda left: _can_be_sent(again, left))

    def _buttons(self, go_on: str | None, answer: Callable[[], str], *, away: str = "Cancel") -> None:
        row = tk.Frame(self._page, bg=self._look.palette.ground)
        row.pack(fill="x", pady=(18, 0))
        if go_on is not None:
            main = self._look.button(row, go_on, main=True)
            main.configure(command=lambda: self._go_on(answer()))
            main.pack(side="right")
        cancel = self._look.button(row, away, main=False)
        cancel.configure(command=self.cancel)
        cancel.pack(side="right", padx=(0, 0 if go_on is None else 8))

    def _show(self) -> None:
        window, occasion = self._window, self._occasion
        head = self._head or "Confirm it is you"
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
        until(
            self._page, at, lambda left: line.configure(text=shown("used", seconds=left) if left > 0 else shown("next"))
        )


def _can_be_sent(again: tk.Button, left: int) -> None:
    text = shown("again") if left <= 0 else shown("again-in", seconds=left)
    again.configure(text=_begun(text), state="normal" if left <= 0 else "disabled")


def _begun(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
