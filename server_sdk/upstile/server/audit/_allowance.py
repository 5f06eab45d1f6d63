"""How many refusals of one user become rows: who has a good token must not fill the table with it."""

from collections import Counter

from upstile.server.storage import User

MOST = 60
"""Refusals of one user that one process writes into the table, in each minute."""
_MINUTE = 60.0
_USERS = 10_000


class Allowance:
    """Counts the refusals of the minute under way."""

    def __init__(self) -> None:
        self._spent: Counter[User] = Counter()
        self._since = 0.0

    def spend(self, user: User, now: float) -> bool:
        """Whether one more refusal of a user may be a row.

        Args:
            user: who was refused.
            now: epoch seconds.
        """
        if abs(now - self._since) >= _MINUTE or len(self._spent) >= _USERS:
            self._spent.clear()
            self._since = now
        self._spent[user] += 1
        return self._spent[user] <= MOST
