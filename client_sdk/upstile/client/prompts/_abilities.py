"""What a prompter may be able to do besides what every one must; it is asked for only where it is there."""

import logging
from threading import Event, get_ident
from typing import Literal, Protocol, runtime_checkable

from upstile.client._errors import ConfigurationError
from upstile.client.prompts._prompter import Prompter

_log = logging.getLogger("upstile.client")

Question = Literal["code", "PIN", "page", "address"]


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


def show_page(prompter: Prompter, url: str, *, opened: bool) -> bool:
    """Show the address of a page; returns whether the prompter can."""
    if not isinstance(prompter, ShowsPages) or missing(prompter, "page") is not None:
        return False
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


def missing(prompter: Prompter, question: Question) -> str | None:
    """What a developer has to do so that the prompter can ask this; `None` if it can."""
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
