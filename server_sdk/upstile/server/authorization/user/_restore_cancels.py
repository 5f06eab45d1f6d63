"""Who is here with a known key, or a proof, has not lost everything: a way back by mail that is under way ends."""

from upstile.server.audit import Events, SecurityEvent
from upstile.server.authorization.user._budgets import side_of
from upstile.server.authorization.user._restore import cancelled, is_under_way
from upstile.server.authorization.user._user_state import UserState
from upstile.server.storage import Account, Names, Storage


class RestoreCancels:
    """Cancels. Where nobody has asked for a way back, it looks at what was read anyway and does no more.

    Args:
        storage: the accounts, and which keys are known.
        names: makes the keys of the latter.
        events: is told.
    """

    def __init__(self, *, storage: Storage, names: Names, events: Events) -> None:
        self._storage = storage
        self._names = names
        self._events = events

    async def signed_in(self, account: Account, jkt: str | None, client_id: str, now: float) -> None:
        """Somebody signed in. With a known key that cancels, unless that key asked: they come for their code."""
        if jkt is None or not is_under_way(account, now, but_by=jkt):
            return
        key = self._names("user", account.user.subject)
        state = UserState.read((await self._storage.one_time.get_many([key], now)).get(key))
        if side_of(state, jkt, now) is not None:
            await self._cancel(account, client_id, now, but_by=jkt)

    async def answered(
        self, account: Account, side: str | None, client_id: str, now: float, *, is_success: bool
    ) -> None:
        """Somebody gave a right answer. A success cancels, whoever asked; any other one with a known key that did not.

        A mailed code that reaches nothing is no success: who reads the mailbox must be able to wait for their code.
        """
        but_by = None if is_success else side
        if (is_success or side is not None) and is_under_way(account, now, but_by=but_by):
            await self._cancel(account, client_id, now, but_by=but_by)

    async def _cancel(self, account: Account, client_id: str, now: float, *, but_by: str | None) -> None:
        event = SecurityEvent(kind="restore-cancelled", user=account.user, at=now, client_id=client_id)
        rows = self._events.rows(event)
        ended = await self._storage.durable.change_account(
            account.user, lambda found: cancelled(found, now, but_by=but_by), lambda done: rows if done else ()
        )
        if ended:
            await self._events.tell(event, written=True)
