"""How often each of many may do something, as one process counts it: for what fills tables and mailboxes."""

from collections import Counter
from collections.abc import Hashable
from math import ceil

_WHO = 10_000


class Allowance:
    """Counts what each has done in the period under way; the next one begins anew.

    Args:
        most: times that each may do it in a period.
        seconds: how long a period is.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._spent: Counter[Hashable] = Counter()
        self._since = 0.0

    def spend(self, who: Hashable, now: float) -> int:
        """One more time: 0 where it is allowed, else the seconds until it is again.

        Args:
            who: does it.
            now: epoch seconds.
        """
        if abs(now - self._since) >= self._seconds or len(self._spent) >= _WHO:
            self._spent.clear()
            self._since = now
        self._spent[who] += 1
        return 0 if self._spent[who] <= self._most else max(1, ceil(self._since + self._seconds - now))
