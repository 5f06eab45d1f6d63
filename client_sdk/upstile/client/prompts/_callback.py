"""The prompter as plain functions, for apps with a window of their own."""

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from threading import Event, Thread

from upstile.client._errors import ConfigurationError, StepUpCancelled
from upstile.client.prompts._abilities import Question
from upstile.client.prompts._prompter import Occasion, Way
from upstile.client.words import said

_log = logging.getLogger("upstile.client")
_POLL = 0.05


class CallbackPrompter:
    """Calls the app's functions. What has no function cannot be asked, and a method that needs it is not offered.

    In which thread: each ceremony has a thread of its own, and calls all functions but `dismiss` in it, one after
    another; never in the thread that made the call, and never in the one that draws your window. So hand the question
    to your window, and wait for its answer in the callback. The thread of the window must be free for that: make the
    call in another thread, or await it with `AsyncClient`. Name the window's thread as `ui_thread`, and a call that
    would wait there for itself is refused at once with a `ConfigurationError`.

    Args:
        code: given a label, returns the one-time code, or `None` to cancel.
            Raises `AnotherWay` or `SendAgain` where the person wants that.
        pin: given a label and the tries left, returns the PIN, or `None` to cancel.
        touch: told that a security key waits; returns at once.
        begin: given the occasion, the way to confirm and the other ones; returns one of them, or `None` to cancel.
        show_key_uri: shows the key URI of a new authenticator app; returns at once.
        show_page: given the address of a page to go on at, such as a login page, and whether a browser was opened with
            it; returns at once.
        pasted: returns the address that a browser on another machine ended at, or `None` to cancel.
        rejected: told that an answer was wrong, and how many attempts are left.
        finished: told that the ceremony is over, and whether it succeeded.
        next_code: told, before `code`, that the code shown was used, and in how many seconds the next one is there.
        password: given a label, returns the password of the sign-in, or `None` to cancel; it is to be typed unseen.
        show_codes: shows new recovery codes, which nobody sees again; returns whether the person says that they are
            saved.
        sent: told that a code was sent which way, and in how many seconds `code` may raise `SendAgain`.
        not_sent: told that a code could not be sent; returns at once.
        codes_left: told how many recovery codes are left.
        dismiss: take the dialogue away: nobody waits for its answer any more. Called from another thread while a
            callback still blocks, when the ceremony is cancelled or its time is up; and when a touch is no longer
            wanted. The callback should return then.
        ui_thread: the identifier of the thread that draws the window (`threading.get_ident()` in it).
    """

    def __init__(
        self,
        *,
        code: Callable[[str], str | None] | None = None,
        pin: Callable[[str, int | None], str | None] | None = None,
        touch: Callable[[str], None] | None = None,
        begin: Callable[[Occasion, Way, Sequence[Way]], Way | str | None] | None = None,
        show_key_uri: Callable[[str], None] | None = None,
        show_page: Callable[[str, bool], None] | None = None,
        pasted: Callable[[], str | None] | None = None,
        rejected: Callable[[int], None] | None = None,
        finished: Callable[[bool], None] | None = None,
        next_code: Callable[[float], None] | None = None,
        password: Callable[[str], str | None] | None = None,
        show_codes: Callable[[Sequence[str]], bool] | None = None,
        sent: Callable[[Way, float | None], None] | None = None,
        not_sent: Callable[[Way], None] | None = None,
        codes_left: Callable[[int], None] | None = None,
        dismiss: Callable[[], None] | None = None,
        ui_thread: int | None = None,
    ) -> None:
        self._code = code
        self._pin = pin
        self._touch = touch
        self._begin = begin
        self._show_key_uri = show_key_uri
        self._show_page = show_page
        self._pasted = pasted
        self._rejected = rejected
        self._finished = finished
        self._next_code = next_code
        self._password = password
        self._show_codes = show_codes
        self._sent = sent
        self._not_sent = not_sent
        self._codes_left = codes_left
        self._dismiss = dismiss
        self._touching = False
        self.ui_thread = ui_thread

    def missing(self, question: Question) -> str | None:
        """What the developer has to add so that this can be asked."""
        name = {"PIN": "pin", "codes": "show_codes", "page": "show_page", "address": "pasted"}.get(question, question)
        given = {
            "code": self._code,
            "pin": self._pin,
            "password": self._password,
            "show_codes": self._show_codes,
            "show_page": self._show_page,
            "pasted": self._pasted,
        }
        return f"CallbackPrompter has no {name}=" if given[name] is None else None

    def begin(self, occasion: Occasion, way: Way, others: Sequence[Way], cancel: Event) -> Way | str:
        """Say why, and let the app choose another way."""
        if self._begin is None:
            return way
        with self._dismissed_by(cancel):
            chosen = self._begin(occasion, way, others)
        return _unless(cancel, chosen.id if isinstance(chosen, Way) else chosen, "begin")

    def code(self, label: str, cancel: Event) -> str:
        """Ask for a one-time code."""
        with self._dismissed_by(cancel):
            code = None if self._code is None else self._code(label)
        return _unless(cancel, code, "code")

    def pin(self, label: str, retries: int | None, cancel: Event) -> str:
        """Ask for a PIN."""
        with self._dismissed_by(cancel):
            pin = None if self._pin is None else self._pin(label, retries)
        return _unless(cancel, pin, "pin")

    def password(self, label: str, cancel: Event) -> str:
        """Ask for the password."""
        with self._dismissed_by(cancel):
            password = None if self._password is None else self._password(label)
        return _unless(cancel, password, "password")

    def show_codes(self, codes: Sequence[str], cancel: Event) -> None:
        """Show recovery codes."""
        with self._dismissed_by(cancel):
            saved = self._show_codes is not None and self._show_codes(codes)
        if cancel.is_set() or saved is not True:
            raise StepUpCancelled(**said("codes-not-saved"))

    def sent(self, way: Way, again_in: float | None) -> None:
        """Say that a code was sent."""
        if self._sent is not None:
            self._sent(way, again_in)

    def not_sent(self, way: Way) -> None:
        """Say that none could be sent."""
        if self._not_sent is not None:
            self._not_sent(way)

    def codes_left(self, left: int) -> None:
        """Say how many recovery codes are left."""
        if self._codes_left is not None:
            self._codes_left(left)

    def touch(self, label: str) -> None:
        """Say that a key waits."""
        if self._touch is not None:
            self._touching = True
            self._touch(label)

    def show_key_uri(self, uri: str) -> None:
        """Show a key URI."""
        if self._show_key_uri is not None:
            self._show_key_uri(uri)

    def show_page(self, url: str, opened: bool) -> None:
        """Show the address of a page."""
        if self._show_page is not None:
            self._show_page(url, opened)

    def pasted(self, cancel: Event) -> str:
        """Ask for the address that the browser ended at."""
        with self._dismissed_by(cancel):
            address = None if self._pasted is None else self._pasted()
        return _unless(cancel, address, "pasted")

    def rejected(self, attempts_left: int) -> None:
        """Say that the answer was wrong."""
        if self._rejected is not None:
            self._rejected(attempts_left)

    def finished(self, accepted: bool) -> None:
        """The ceremony is over."""
        if self._finished is not None:
            self._finished(accepted)

    def next_code(self, seconds: float) -> None:
        """Say when the next code is there."""
        if self._next_code is not None:
            self._next_code(seconds)

    def opened(self, cancel: Event) -> None:
        """Nothing stands on the screen yet."""
        self._touching = False

    def ended(self, cancel: Event) -> None:
        """A touch that was asked for is no longer wanted."""
        if self._touching:
            self._touching = False
            self._take_away()

    @contextmanager
    def _dismissed_by(self, cancel: Event) -> Generator[None]:
        """While a callback blocks, tell the app when its answer is no longer wanted."""
        if self._dismiss is None or cancel.is_set():
            yield
            return
        returned = Event()

        def watch() -> None:
            while not returned.wait(_POLL):
                if cancel.is_set():
                    self._take_away()
                    return

        Thread(target=watch, name="upstile dismiss", daemon=True).start()
        try:
            yield
        finally:
            returned.set()

    def _take_away(self) -> None:
        if self._dismiss is None:
            return
        try:
            self._dismiss()
        except Exception:
            _log.exception("the dismiss callback failed")


def _unless(cancel: Event, answer: object, callback: str) -> str:
    if cancel.is_set():
        raise StepUpCancelled(**said("cancelled"))
    if answer is None:
        raise StepUpCancelled(**said("person-cancelled"))
    if not isinstance(answer, str):
        raise ConfigurationError(f"{callback}= returns text, or None to cancel, and not {type(answer).__name__}")
    return answer
