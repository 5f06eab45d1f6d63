"""The prompter as plain functions, for apps with a window of their own."""

from collections.abc import Callable, Sequence
from threading import Event

from upstile.client._errors import StepUpCancelled
from upstile.client.prompts._prompter import Occasion


class CallbackPrompter:
    """Calls the app's functions. A function that is missing means that this cannot be asked.

    Args:
        code: given a label, returns the one-time code, or `None` to cancel.
        pin: given a label and the tries left, returns the PIN, or `None` to cancel.
        touch: told that a security key waits.
        begin: given the occasion, the method and the other ones; returns a name, or `None` to cancel.
        show_key_uri: shows the key URI of a new authenticator app.
        rejected: told that an answer was wrong, and how many attempts are left.
        finished: told that the ceremony is over, and whether it succeeded.
    """

    def __init__(
        self,
        *,
        code: Callable[[str], str | None] | None = None,
        pin: Callable[[str, int | None], str | None] | None = None,
        touch: Callable[[str], None] | None = None,
        begin: Callable[[Occasion, str, Sequence[str]], str | None] | None = None,
        show_key_uri: Callable[[str], None] | None = None,
        rejected: Callable[[int], None] | None = None,
        finished: Callable[[bool], None] | None = None,
    ) -> None:
        self._code = code
        self._pin = pin
        self._touch = touch
        self._begin = begin
        self._show_key_uri = show_key_uri
        self._rejected = rejected
        self._finished = finished

    def begin(self, occasion: Occasion, method: str, others: Sequence[str], cancel: Event) -> str:
        """Say why, and let the app change the method."""
        return method if self._begin is None else _unless(cancel, self._begin(occasion, method, others))

    def code(self, label: str, cancel: Event) -> str:
        """Ask for a one-time code."""
        return _unless(cancel, None if self._code is None else self._code(label))

    def pin(self, label: str, retries: int | None, cancel: Event) -> str:
        """Ask for a PIN."""
        return _unless(cancel, None if self._pin is None else self._pin(label, retries))

    def touch(self, label: str) -> None:
        """Say that a key waits."""
        if self._touch is not None:
            self._touch(label)

    def show_key_uri(self, uri: str) -> None:
        """Show a key URI."""
        if self._show_key_uri is not None:
            self._show_key_uri(uri)

    def rejected(self, attempts_left: int) -> None:
        """Say that the answer was wrong."""
        if self._rejected is not None:
            self._rejected(attempts_left)

    def finished(self, accepted: bool) -> None:
        """The ceremony is over."""
        if self._finished is not None:
            self._finished(accepted)


def _unless(cancel: Event, answer: str | None) -> str:
    if cancel.is_set():
        raise StepUpCancelled("The ceremony was cancelled")
    return _answered(answer)


def _answered(answer: str | None) -> str:
    if answer is None:
        raise StepUpCancelled("The ceremony was cancelled")
    return answer
