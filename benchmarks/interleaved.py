"""Contenders take turns in short rounds, so that whatever else the machine does hits them alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import shuffle
from statistics import median
from time import process_time

Work = Callable[[int], None]
"""Does its thing as often as it is told."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One contender's cost, in units of the limit's: the median over rounds, and the middle half of them."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def measure(
    contenders: Mapping[str, Work], *, times: int, rounds: int, clock: Callable[[], float] = process_time
) -> dict[str, list[float]]:
    """Seconds for one piece of work, in each round, by contender; who goes first is drawn anew for each round.

    With a fixed order a contender would always run on what its neighbour left in the caches: that alone makes 5 %.

    Args:
        contenders: the work, by name.
        times: how often it is done in a round.
        rounds: how many there are.
        clock: by default the CPU time of this process, which no other program on the machine adds to.
    """
    order = list(contenders)
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for work in contenders.values():
        work(times)  # warm up
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            work = contenders[name]
            began = clock()
            work(times)
            seconds[name].append((clock() - began) / times)
    return seconds


def ratio(seconds: Mapping[str, list[float]], contender: str, limit: str) -> Ratio:
    """Round by round, what the contender costs beside the limit."""
    each = sorted(a / b for a, b in zip(seconds[contender], seconds[limit], strict=True))
    return Ratio(median(each), each[len(each) // 4], each[-(len(each) // 4) - 1])
