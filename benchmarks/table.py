"""The rows, as a person reads them."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.interleaved import Ratio


@dataclass(frozen=True, slots=True)
class Row:
    """One measure.

    Attributes:
        measure: what was done.
        beside: what it is compared with.
        ratio: how many times the cost, or the share, of that.
        target: the highest ratio that is good; `None` for a peer.
        at_least: the target is the lowest ratio instead.
    """

    measure: str
    beside: str
    ratio: Ratio | float
    target: float | None
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """Whether the target is met."""
        if self.target is None:
            return ""
        value = self.ratio.value if isinstance(self.ratio, Ratio) else self.ratio
        return "met" if (value >= self.target if self.at_least else value <= self.target) else "missed"

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """The row as texts."""
        shown = str(self.ratio) if isinstance(self.ratio, Ratio) else f"{self.ratio:.2f}"
        target = "" if self.target is None else f"{'≥' if self.at_least else '≤'} {self.target:g}"
        return self.measure, self.beside, shown, target, self.verdict


HEADS = ("measure", "beside", "ratio (middle half of the rounds)", "target", "")


def show(rows: Iterable[Row], console: Console) -> None:
    """Print the table."""
    table = Table(*HEADS)
    for row in rows:
        colour = {"met": "green", "missed": "red"}.get(row.verdict, "dim")
        table.add_row(*row.cells, style=colour)
    console.print(table)


def markdown(rows: Iterable[Row]) -> str:
    """The table for a document."""
    lines = ["| " + " | ".join(HEADS) + " |", "|" + "---|" * len(HEADS)]
    return "\n".join([*lines, *("| " + " | ".join(row.cells) + " |" for row in rows)]) + "\n"
