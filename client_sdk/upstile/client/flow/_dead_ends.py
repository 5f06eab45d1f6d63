"""Kinds of ceremonies that an API did not honour: nobody is asked again for a while (upstile profile §3, end)."""

import json
from dataclasses import dataclass

from upstile.protocol import Requirement

FIRST = 30.0
"""Seconds for which nobody is asked again; each repetition doubles them."""
LONGEST = 900.0


@dataclass(frozen=True, slots=True)
class DeadEnd:
    """One kind.

    Attributes:
        times: how often it was not honoured in a row.
        until: when somebody may be asked again, by the monotonic clock.
    """

    times: int
    until: float

    @classmethod
    def kept(cls, times: int, until: float, tick: float) -> "DeadEnd":
        """One from a store, by a clock that may have been set since: it stands for no longer than it could at most."""
        return cls(times, min(until, tick + _seconds(times)))


def repeated(known: DeadEnd | None, tick: float) -> DeadEnd:
    """What is remembered after a ceremony that was not honoured."""
    times = 1 if known is None else known.times + 1
    return DeadEnd(times, tick + _seconds(times))


def stands(known: DeadEnd | None, tick: float) -> bool:
    """Whether nobody is to be asked."""
    return known is not None and tick < known.until


def kind_of(requirement: Requirement, resource: str) -> str:
    """What makes two ceremonies the same: the resource, the sets of acr and scope, and whether it is for one call."""
    return json.dumps([resource, sorted(requirement.acr), sorted(requirement.scope), requirement.for_this_call])


def _seconds(times: int) -> float:
    return min(FIRST * 2.0 ** min(times - 1, 10), LONGEST)
