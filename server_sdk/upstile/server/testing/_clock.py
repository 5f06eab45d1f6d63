"""The time, as a test wants it."""

from collections.abc import Callable
from time import time


class Clock:
    """A clock that a test moves: hand it to `StepUp.embedded(clock=…)`, and to the client alike.

    Args:
        start: epoch seconds at which it stands still; by default it goes on as the real time does.
    """

    def __init__(self, start: float | None = None) -> None:
        self._source: Callable[[], float] = time if start is None else (lambda: start)
        self._moved = 0.0

    def move(self, seconds: float) -> None:
        """Move it ahead, or back."""
        self._moved += seconds

    def __call__(self) -> float:
        """The time in epoch seconds."""
        return self._source() + self._moved

    def __repr__(self) -> str:
        return f"Clock(moved by {self._moved:g} s)"
