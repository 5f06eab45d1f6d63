"""What a terminal is to us: rows to write and lines to read, on whatever system."""

import os
from collections.abc import Callable
from threading import Event
from typing import Protocol

NARROWEST = 20
"""Columns; below it a text is written as if there were so many."""

Above = Callable[[], str]
"""What the row above a question says now."""


class Screen(Protocol):
    """The terminal itself, whatever stdin and stdout are connected to.

    Every method raises `NoMethodAvailable` where there is none.
    """

    def write(self, text: str) -> None:
        """Write as it is; a line ends with `\\n`."""
        ...

    def ask(self, prompt: str, cancel: Event, *, hidden: bool, above: Above | None = None) -> str:
        """Write the prompt and read a line, without its end.

        Args:
            prompt: stands in front of the cursor.
            cancel: ends it with `StepUpCancelled`, within a second.
            hidden: whether the line stays unseen.
            above: what a row above the prompt says, as it changes; where a screen cannot, it says it once.
        """
        ...

    def columns(self) -> int:
        """How wide it is."""
        ...


def in_colour() -> bool:
    """Whether the person wants more than plain text (https://no-color.org), and the terminal can do it."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def may_move() -> bool:
    """Whether the cursor may be sent back to a row above."""
    return os.environ.get("TERM", "dumb") != "dumb"
