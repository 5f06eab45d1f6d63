"""What came of calls that ended in an error of ours, for a library above us that sends such a call again by itself.

Some SDKs retry whatever was raised below them. Without this, a person who declined would be asked again at once, and a
call whose outcome is unknown would be carried out twice.
"""

from collections.abc import Callable, Hashable

from upstile.client._errors import StepUpError

KEPT = 60.0
"""Seconds for which an error is remembered; SDKs wait for 8 seconds between two tries at most."""
_MOST = 256

CallName = Hashable
"""Whose call it is, and of what."""


class Refusals:
    """Remembers the last error of each call.

    Args:
        monotonic: the time in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: dict[CallName, tuple[StepUpError, float]] = {}

    def keep(self, call: CallName, error: StepUpError) -> None:
        """Remember what came of a call."""
        self._kept.pop(call, None)
        self._kept[call] = error, self._monotonic() + KEPT
        while len(self._kept) > _MOST:
            self._kept.pop(next(iter(self._kept)), None)

    def of(self, call: CallName) -> StepUpError | None:
        """What came of the same call a moment ago."""
        error, until = self._kept.get(call, (None, 0.0))
        return error if self._monotonic() < until else None

    def forget(self, call: CallName) -> None:
        """The person has confirmed it since."""
        self._kept.pop(call, None)
