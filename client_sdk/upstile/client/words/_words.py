"""A row of the table of errors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict


class Said(TypedDict):
    """What an error says."""

    message: str
    next_step: str
    hint: str


@dataclass(frozen=True, slots=True)
class Words:
    """One row. `{name}` stands for what differs.

    Attributes:
        error: the class that says it.
        title: for the person: what happened. Neither it nor `next_step` uses a word of the protocol.
        next_step: for the person: what to do now.
        hint: for developers: what was wrong, and what to change.
    """

    error: str
    title: str
    next_step: str
    hint: str

    def filled(self, values: Mapping[str, object]) -> Said:
        """The row about this very case."""
        return Said(
            message=self.title.format_map(values),
            next_step=self.next_step.format_map(values),
            hint=self.hint.format_map(values),
        )
