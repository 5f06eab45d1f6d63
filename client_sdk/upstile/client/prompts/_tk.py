"""The prompter of an app with a Tk window: it asks in the thread of Tk, and waits in that of the ceremony."""

import logging
import tkinter as tk
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread, get_ident

from upstile.client._errors import StepUpCancelled
from upstile.client.prompts._abilities import refuse_dead_lock
from upstile.client.prompts._prompter import Occasion, Way
from upstile.client.prompts._tk_dialogue import Answer, Reply, TkDialogue
from upstile.client.prompts._tk_look import DARK, LIGHT, Look, is_dark
from upstile.client.prompts._tk_page import PageElsewhere
from upstile.client.words import said

_log = logging.getLogger("upstile.client")
_POLL = 0.05
_INBOX = 40
"""Milliseconds between two looks into the inbox: other threads put work there and never call Tk themselves."""


class TkPrompter:
    """Asks in a window of its own above the app's.

    Make it in the thread that runs Tk's main loop, and make calls elsewhere: a call of a `Client` in the thread of Tk
    that would have to ask is refused at once with a `ConfigurationError`, because it would wait for itself. The window
    stays responsive all the while, and goes when the ceremony ends, is cancelled, or runs out of time.

    Args:
        parent: the app's window, or a widget in it. When it is destroyed, the prompter is closed.
        dark: the look; by default light or dark as the background of the app's window when the dialogue opens.
    """

    def __init__(self, parent: tk.Misc, *, dark: bool | None = None) -> None:
        self.ui_thread: int = get_ident()
        self._parent = parent
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._closed = Event()
        self._lock = Lock()
        self._cancel: Event | None = None
        self._opens: Callable[[], bool] | None = None
        self._dialogue = TkDialogue(parent, partial(_look, parent, dark), self._give_up)
        self._timer = parent.after(_INBOX, self._read_inbox)
        parent.bind("<Destroy>", self._on_destroy, add=True)

    def begin(self, occasion: Occasion, way: Way, others: Sequence[Way], cancel: Event) -> Way | str:
        """Say why, and offer to change the way."""
        return self._asked(lambda reply: self._dialogue.begin(occasion, way, others, reply), cancel)

    def code(self, label: str, cancel: Event) -> str:
        """Ask for a one-time code; it is shown while it is typed, because it is good once."""
        while not (code := self._asked(lambda reply: self._dialogue.ask(label, reply, hidden=False), cancel).strip()):
            continue
        return code

    def pin(self, label: str, retries: int | None, cancel: Event) -> str:
        """Ask for a PIN, unseen."""
        left = "" if retries is None else f" ({retries} tries left)"
        return self._asked(lambda reply: self._dialogue.ask(f"{label}{left}", reply, hidden=True), cancel)

    def password(self, label: str, cancel: Event) -> str:
        """Ask for a password, unseen."""
        while not (password := self._asked(lambda reply: self._dialogue.ask(label, reply, hidden=True), cancel)):
            continue
        return password

    def show_codes(self, codes: Sequence[str], cancel: Event) -> None:
        """Show recovery codes, to be copied or saved to a file, until the person says that they are saved."""
        self._asked(lambda reply: self._dialogue.show_codes(codes, reply), cancel)

    def sent(self, way: Way, again_in: float | None) -> None:
        """Say on the next page that a code was sent, and offer to send it again."""
        self._later(lambda: self._dialogue.sent(way, again_in))

    def not_sent(self, way: Way) -> None:
        """Say on the next page that none could be sent."""
        self._later(lambda: self._dialogue.not_sent(way))

    def codes_left(self, left: int) -> None:
        """Say how many recovery codes are left, for a moment beyond the end of the ceremony."""
        self._later(lambda: self._dialogue.codes_left(left))

    def touch(self, label: str) -> None:
        """Say that a key waits; the person may cancel meanwhile."""
        self._later(lambda: self._dialogue.say(label, pulsing=True))

    def show_key_uri(self, uri: str) -> None:
        """Show the key URI with a picture to scan (extra `qr`), until the person goes on or gives up."""
        with self._lock:
            cancel = self._cancel or Event()
        try:
            self._asked(lambda reply: self._dialogue.show_key_uri(uri, reply), cancel)
        except StepUpCancelled:
            cancel.set()
            raise

    def opens_with(self, opens: Callable[[], bool]) -> None:
        """The next page can be opened once more."""
        self._opens = opens

    def show_page(self, url: str, opened: bool) -> None:
        """Show an address, to be copied or opened once more, until the browser has come back or the person gives up."""
        opens, self._opens = self._opens, None
        page = PageElsewhere(url=url, opened=opened, again=None if opens is None else partial(self._open, opens))
        self._later(lambda: self._dialogue.show_page(page))

    def pasted(self, cancel: Event) -> str:
        """Ask for the address that the browser ended at, below that of the page."""
        return self._asked(self._dialogue.ask_address, cancel, away=self._dialogue.wait)

    def rejected(self, attempts_left: int) -> None:
        """Say that the answer was wrong."""
        self._later(lambda: self._dialogue.rejected(attempts_left))

    def finished(self, accepted: bool) -> None:
        """Take the window away."""
        self._later(self._dialogue.end)

    def enrolling(self, method: str) -> None:
        """The pages up to the end add an authenticator."""
        self._later(lambda: self._dialogue.enrolling(method))

    def next_code(self, seconds: float) -> None:
        """Count down above the next question."""
        self._later(lambda: self._dialogue.next_code(seconds))

    def opened(self, cancel: Event) -> None:
        """What the person cancels from now on."""
        with self._lock:
            self._cancel = cancel
        if self._closed.is_set():
            cancel.set()

    def ended(self, cancel: Event) -> None:
        """Take the window away, unless another ceremony has it."""
        with self._lock:
            if self._cancel is not cancel:
                return
            self._cancel = None
        self._later(self._dialogue.end)

    def close(self) -> None:
        """Free every caller that waits for an answer, and take the window away for good. From any thread."""
        self._closed.set()
        self._give_up()
        if get_ident() != self.ui_thread:
            return  # the thread of Tk takes it away at its next look into the inbox
        with suppress(tk.TclError):
            self._parent.after_cancel(self._timer)
        self._dialogue.destroy()

    def _open(self, opens: Callable[[], bool], told: Callable[[bool], None]) -> None:
        """Open a page in a thread of its own: whatever does that is the app's, and may take its time."""

        def work() -> None:
            started = opens()
            self._later(lambda: told(started))

        Thread(target=work, name="upstile browser", daemon=True).start()

    def _asked(self, ask: Callable[[Reply], None], cancel: Event, *, away: Callable[[], None] | None = None) -> str:
        """Have Tk ask, and wait for the answer, here and not there; `away` takes away what is no longer asked."""
        refuse_dead_lock(self)
        given, answers = Event(), list[Answer]()

        def reply(answer: Answer) -> None:
            answers.append(answer)
            given.set()

        self._later(lambda: ask(reply))
        while not given.wait(_POLL):
            if cancel.is_set() or self._closed.is_set():
                self._later(away or self._dialogue.hide)
                raise StepUpCancelled(**said("cancelled"))
        answer = answers[0]
        if answer is None:
            raise StepUpCancelled(**said("person-cancelled"))
        if not isinstance(answer, str):
            raise answer
        return answer

    def _later(self, work: Callable[[], None]) -> None:
        self._inbox.put(work)

    def _read_inbox(self) -> None:
        """Runs in the thread of Tk, again and again."""
        try:
            while not self._closed.is_set():
                self._inbox.get_nowait()()
        except Empty:
            pass
        except Exception:  # such as TclError, when the app has taken its window away
            _log.exception("the dialogue could not be shown")
            self.close()
        if self._closed.is_set():
            self._dialogue.destroy()
        else:
            self._timer = self._parent.after(_INBOX, self._read_inbox)

    def _give_up(self) -> None:
        with self._lock:
            if self._cancel is not None:
                self._cancel.set()

    def _on_destroy(self, event: "tk.Event[tk.Misc]") -> None:
        if event.widget is self._parent:
            self.close()


def _look(parent: tk.Misc, dark: bool | None) -> Look:
    return Look(parent, DARK if (is_dark(parent) if dark is None else dark) else LIGHT)
