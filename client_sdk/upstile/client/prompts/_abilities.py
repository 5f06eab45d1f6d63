"""What a prompter may be able to do besides what every one must; it is asked for only where it is there."""

import logging
from collections.abc import Callable, Sequence
from threading import Event, get_ident
from typing import Literal, Protocol, runtime_checkable

from upstile.client._errors import ConfigurationError
from upstile.client.prompts._prompter import Prompter, Way

_log = logging.getLogger("upstile.client")

Question = Literal["code", "PIN", "password", "codes", "page", "address"]
"""What a prompter may be unable to ask, or, with `codes` and `page`, to show."""
_VERBS = {"password": "password", "codes": "show_codes", "page": "show_page", "address": "pasted"}
"""Questions that not every prompter has a verb for."""


@runtime_checkable
class Dialogue(Protocol):
    """Keeps something on the screen between questions, so it has to know when it is over."""

    def opened(self, cancel: Event) -> None:
        """The person is about to be asked; set `cancel` to give up, whatever is going on."""
        ...

    def ended(self, cancel: Event) -> None:
        """Nothing more will be asked for what was opened with this event."""
        ...


@runtime_checkable
class CountsDown(Protocol):
    """Can say how long it is until the next one-time code."""

    def next_code(self, seconds: float) -> None:
        """The code that the app shows was used; the next one comes in `seconds`, the question for it at once."""
        ...


@runtime_checkable
class AsksForPasswords(Protocol):
    """Can ask for a password."""

    def password(self, label: str, cancel: Event) -> str:
        """Ask for it, unseen; raises as the verbs that every prompter has."""
        ...


@runtime_checkable
class ShowsCodes(Protocol):
    """Can show what is shown once."""

    def show_codes(self, codes: Sequence[str], cancel: Event) -> None:
        """Show a new set of recovery codes, and nowhere else, until the person says that they are saved."""
        ...


@runtime_checkable
class CountsCodes(Protocol):
    """Can say how many recovery codes there are."""

    def codes_left(self, left: int) -> None:
        """One was used; so many are left."""
        ...


@runtime_checkable
class Sends(Protocol):
    """Can say what became of a code that was to be sent."""

    def sent(self, way: Way, again_in: float | None) -> None:
        """A code was sent. In so many seconds `code` may raise `SendAgain`; `None`: not in this ceremony."""
        ...

    def not_sent(self, way: Way) -> None:
        """It could not be sent; what to do instead is asked at once, by `begin`."""
        ...


@runtime_checkable
class Enrols(Protocol):
    """Has other words for setting up an authenticator than for a confirmation."""

    def enrolling(self, method: str) -> None:
        """What is asked until `ended` sets up a new authenticator of this method."""
        ...


@runtime_checkable
class ShowsPages(Protocol):
    """Can show the address of a page that is to be opened in a browser."""

    def show_page(self, url: str, opened: bool) -> None:
        """Show an address, such as the login page of an identity provider; returns at once.

        Args:
            url: the address.
            opened: whether a browser was started with it.
        """
        ...


@runtime_checkable
class OpensPages(Protocol):
    """Can offer to open the page once more."""

    def opens_with(self, opens: Callable[[], bool]) -> None:
        """Take what opens the page that is shown next; it says whether a browser was started."""
        ...


@runtime_checkable
class Pastes(Protocol):
    """Can ask for the address that a browser on another machine ended at."""

    def pasted(self, cancel: Event) -> str:
        """Ask for it."""
        ...


@runtime_checkable
class Partial(Protocol):
    """Cannot ask for everything."""

    def missing(self, question: Question) -> str | None:
        """What the developer has to do so that this can be asked; `None` if it can."""
        ...


@runtime_checkable
class Threaded(Protocol):
    """Shows its dialogues in one thread."""

    @property
    def ui_thread(self) -> int | None:
        """The identifier of that thread (`threading.get_ident`)."""
        ...


def opened(prompter: Prompter, cancel: Event) -> None:
    """Say that somebody is about to be asked."""
    if isinstance(prompter, Dialogue):
        prompter.opened(cancel)


def ended(prompter: Prompter, cancel: Event) -> None:
    """Say that nothing more will be asked; whatever the prompter makes of it, it is over."""
    if isinstance(prompter, Dialogue):
        try:
            prompter.ended(cancel)
        except Exception:
            _log.exception("the prompter could not end its dialogue")


def next_code(prompter: Prompter, seconds: float) -> None:
    """Say when the next one-time code is there."""
    if isinstance(prompter, CountsDown):
        prompter.next_code(seconds)


def counts_down(prompter: Prompter) -> bool:
    """Whether the person is told when the next one-time code is there."""
    return isinstance(prompter, CountsDown)


def enrolling(prompter: Prompter, method: str) -> None:
    """Say that an authenticator is set up, and nothing confirmed."""
    if isinstance(prompter, Enrols):
        prompter.enrolling(method)


def show_page(prompter: Prompter, url: str, *, opened: bool, opens: Callable[[], bool] | None = None) -> bool:
    """Show the address of a page; returns whether the prompter can.

    Args:
        prompter: shows it.
        url: the address.
        opened: whether a browser was started with it.
        opens: opens it once more; `None` where the app lets no browser be opened.
    """
    if not isinstance(prompter, ShowsPages) or missing(prompter, "page") is not None:
        return False
    if opens is not None and isinstance(prompter, OpensPages):
        prompter.opens_with(opens)
    prompter.show_page(url, opened)
    return True


def pasted(prompter: Prompter, cancel: Event) -> str:
    """Ask for the address that the browser ended at.

    Raises:
        ConfigurationError: the prompter cannot.
    """
    lacking = missing(prompter, "address")
    if not isinstance(prompter, Pastes) or lacking is not None:
        raise ConfigurationError(f"Browser(pastes=True) needs a prompter that asks: {lacking or 'it has no pasted()'}")
    return prompter.pasted(cancel)


def ask_password(prompter: Prompter, label: str, cancel: Event) -> str:
    """Ask for a password, where `missing` has said that it can be asked for."""
    return prompter.password(label, cancel) if isinstance(prompter, AsksForPasswords) else ""


def show_codes(prompter: Prompter, codes: Sequence[str], cancel: Event) -> None:
    """Show recovery codes, where `missing` has said that they can be shown."""
    if isinstance(prompter, ShowsCodes):
        prompter.show_codes(codes, cancel)


def codes_left(prompter: Prompter, left: int) -> None:
    """Say how many recovery codes are left."""
    if isinstance(prompter, CountsCodes):
        prompter.codes_left(left)


def sent(prompter: Prompter, way: Way, again_in: float | None) -> None:
    """Say that a code was sent."""
    if isinstance(prompter, Sends):
        prompter.sent(way, again_in)


def not_sent(prompter: Prompter, way: Way) -> None:
    """Say that a code could not be sent."""
    if isinstance(prompter, Sends):
        prompter.not_sent(way)


def missing(prompter: Prompter, question: Question) -> str | None:
    """What a developer has to do so that the prompter can ask this; `None` if it can."""
    verb = _VERBS.get(question)
    if verb is not None and not hasattr(prompter, verb):
        return f"{type(prompter).__name__} has no {verb}()"
    return prompter.missing(question) if isinstance(prompter, Partial) else None


def refuse_dead_lock(prompter: Prompter) -> None:
    """Refuse to wait, in the thread that would have to show the dialogue, for what the person does there.

    Raises:
        ConfigurationError: it is that thread.
    """
    if isinstance(prompter, Threaded) and prompter.ui_thread == get_ident():
        raise ConfigurationError(
            "This call would wait in the thread that shows the dialogue, and so for ever: make the call in another "
            "thread, or await it with AsyncClient"
        )
