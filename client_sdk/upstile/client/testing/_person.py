"""A person who follows a script, and remembers what they were asked."""

from collections.abc import Callable, Iterable, Sequence
from threading import Event

from upstile.client._errors import StepUpCancelled
from upstile.client.prompts import Occasion, Way


class ScriptedPrompter:
    """A `Prompter` for tests.

    Args:
        codes: the one-time codes in their order, or a function that computes one each time. When they run out, the
            person cancels. `AnotherWay()` or `SendAgain()` among them is what the person wants instead.
        pin: the PIN of the security key; without one the person cancels.
        password: the password of the sign-in; without one the person cancels.
        hold: if set, the person thinks until it is set, or until the ceremony is cancelled.
        choose: the way that the person changes to, by its id or its method, if it is offered.

    Attributes:
        occasions: why they were asked, each time.
        labels: what they were asked for.
        attempts_left: what they were told after wrong answers.
        key_uris: the key URIs that they were shown.
        sent_to: the ways in which they were told that a code was sent, and in how many seconds another may be.
        not_sent_to: the ways in which they were told that none could be sent.
        recovery_codes: the last set that they were shown, and have saved.
        left: how many of them they were told are left, each time.
        outcomes: how the ceremonies ended.
    """

    def __init__(
        self,
        codes: Iterable[str | Exception] | Callable[[], str] = (),
        *,
        pin: str | None = None,
        password: str | None = None,
        hold: Event | None = None,
        choose: str | None = None,
    ) -> None:
        self._next_code = codes if callable(codes) else _one_by_one(codes)
        self._pin = pin
        self._password = password
        self._hold = hold
        self._choose = choose
        self.occasions: list[Occasion] = []
        self.labels: list[str] = []
        self.attempts_left: list[int] = []
        self.key_uris: list[str] = []
        self.sent_to: list[tuple[Way, float | None]] = []
        self.not_sent_to: list[Way] = []
        self.recovery_codes: Sequence[str] = ()
        self.left: list[int] = []
        self.outcomes: list[bool] = []

    def begin(self, occasion: Occasion, way: Way, others: Sequence[Way], cancel: Event) -> Way:
        """Note the occasion, change the way if the script says so."""
        self.occasions.append(occasion)
        return next((other for other in others if self._choose in (other.id, other.method)), way)

    def code(self, label: str, cancel: Event) -> str:
        """The next code."""
        self._think(label, cancel)
        return self._next_code()

    def pin(self, label: str, retries: int | None, cancel: Event) -> str:
        """The PIN."""
        self._think(label, cancel)
        if self._pin is None:
            raise StepUpCancelled("The person has no PIN")
        return self._pin

    def password(self, label: str, cancel: Event) -> str:
        """The password."""
        self._think(label, cancel)
        if self._password is None:
            raise StepUpCancelled("The person has no password")
        return self._password

    def show_codes(self, codes: Sequence[str], cancel: Event) -> None:
        """Save them."""
        self.recovery_codes = tuple(codes)

    def sent(self, way: Way, again_in: float | None) -> None:
        """Note where a code went."""
        self.sent_to.append((way, again_in))

    def not_sent(self, way: Way) -> None:
        """Note that none could be sent."""
        self.not_sent_to.append(way)

    def codes_left(self, left: int) -> None:
        """Note how many recovery codes are left."""
        self.left.append(left)

    def touch(self, label: str) -> None:
        """Note that a key waits."""
        self.labels.append(label)

    def show_key_uri(self, uri: str) -> None:
        """Note the key URI."""
        self.key_uris.append(uri)

    def rejected(self, attempts_left: int) -> None:
        """Note that the answer was wrong."""
        self.attempts_left.append(attempts_left)

    def finished(self, accepted: bool) -> None:
        """Note how it ended."""
        self.outcomes.append(accepted)

    def _think(self, label: str, cancel: Event) -> None:
        self.labels.append(label)
        while self._hold is not None and not self._hold.wait(0.01):
            if cancel.is_set():
                raise StepUpCancelled("The ceremony was cancelled")


def _one_by_one(codes: Iterable[str | Exception]) -> Callable[[], str]:
    rest = iter(codes)

    def next_code() -> str:
        for code in rest:
            if isinstance(code, Exception):
                raise code
            return code
        raise StepUpCancelled("The script has no more codes")

    return next_code
