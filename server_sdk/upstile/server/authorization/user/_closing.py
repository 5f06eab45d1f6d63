"""What a hundred wrong answers close to unknown keys, and what opens it again (upstile profile §7).

That an authenticator is closed is said by its durable record alone, and written before the last try is judged: neither
a node that dies nor a one-time store that is lost gives a guess back. The count in the one-time store says how many
tries are left until then; who opens it begins the count anew.
"""

from collections.abc import Callable, Collection

from upstile.server.authorization.user._account import with_closed
from upstile.server.authorization.user._budgets import closed_to, opened, unlocked
from upstile.server.authorization.user._user_state import UserState
from upstile.server.storage import Account, Found, Kept, Names, Storage, User


class Closings:
    """Closes authenticators to unknown keys, and begins their count anew where they are opened.

    Args:
        storage: the authenticators, and what is counted.
        names: makes the keys of what is counted.
    """

    def __init__(self, *, storage: Storage, names: Names) -> None:
        self._storage = storage
        self._names = names

    async def closed(self, user: User, ids: Collection[str], now: float) -> list[str]:
        """Those of some methods that everybody has which are closed to unknown keys."""
        if not ids:
            return []
        key = self._names("user", user.subject)
        state = UserState.read((await self._storage.one_time.get_many([key], now)).get(key))
        return sorted(closed_to(state, None).intersection(ids))

    async def close(self, user: User, ids: Collection[str]) -> None:
        """Close these: their last try is about to be judged."""
        await self._mark(user, ids, closed=True)

    async def keep_open(self, user: User, ids: Collection[str]) -> None:
        """Take the closing back: their last try was right, and was given back with the outcome."""
        await self._mark(user, ids, closed=False)

    async def forget_count(self, user: User, id: str, now: float) -> bool:
        """Begin the count of this one anew: it was opened. Without that the next wrong answer closes it again.

        Whether there was one.
        """
        return await self._change_count(user, lambda state: opened(state, id), now)

    async def unlock(self, user: User, now: float) -> None:
        """Let unknown keys try all of them again, and end the lock that is running."""
        await self._change_count(user, unlocked, now)  # first, or a wrong answer in between would close it again

        def decide(account: Account) -> tuple[Account, None]:
            return with_closed(account, [record.id for record in account.authenticators], closed=False), None

        await self._storage.durable.change_account(user, decide)

    async def _mark(self, user: User, ids: Collection[str], *, closed: bool) -> None:
        def decide(account: Account) -> tuple[Account, None]:
            return with_closed(account, ids, closed=closed), None

        await self._storage.durable.change_account(user, decide)

    async def _change_count(self, user: User, change: Callable[[UserState], UserState], now: float) -> bool:
        key = self._names("user", user.subject)

        def decide(found: Found) -> tuple[Kept, bool]:
            before = UserState.read(found.get(key))
            after = change(before)
            return ({} if after == before else {key: after.record(now)}), after != before

        return await self._storage.one_time.update_many([key], decide, now)
