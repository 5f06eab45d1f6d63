"""Kinds of ceremonies that an API did not honour: nobody is asked again for a while (upstile profile §3, end)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from upstile.client.flow.tokens._logins import Login
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


class DeadEnds:
    """Those of one client.

    Args:
        monotonic: the time.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._known: dict[tuple[Login, str], DeadEnd] = {}

    def stands(self, login: Login, kind: str) -> bool:
        """Whether nobody is to be asked."""
        known = self._known.get((login, kind))
        return known is not None and self._monotonic() < known.until

    def add(self, login: Login, kind: str) -> DeadEnd:
        """What is remembered after a ceremony that was not honoured."""
        known = self._known.get((login, kind))
        times = 1 if known is None else known.times + 1
        self._known[login, kind] = added = DeadEnd(times, self._monotonic() + _seconds(times))
        return added

    def remove(self, login: Login, kind: str) -> bool:
        """Forget one; whether there was one."""
        return self._known.pop((login, kind), None) is not None

    def take(self, login: Login, found: Mapping[str, DeadEnd]) -> None:
        """Take over what another process remembers, where that happened more often.

        For the same number of times our own end counts: that of a store is by a clock that may have been set back.
        """
        for kind, other in found.items():
            known = self._known.get((login, kind), other)
            self._known[login, kind] = max(known, other, key=lambda dead_end: dead_end.times)

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()


def kind_of(requirement: Requirement, resource: str) -> str:
    """What makes two ceremonies the same: the resource, the sets of acr and scope, and whether it is for one call."""
    return json.dumps([resource, sorted(requirement.acr), sorted(requirement.scope), requirement.for_this_call])


def _seconds(times: int) -> float:
    return min(FIRST * 2.0 ** min(times - 1, 10), LONGEST)
