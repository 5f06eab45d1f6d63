"""How often something may be tried (upstile profile §7): what is counted is counted before it is checked.

Guesses of a code are counted for the user (a lock, so that nobody guesses on) and for the base login (a loss, so that
a thief with a stolen token cannot keep the rightful user locked). Ceremonies are counted when they start.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from upstile.server.authorization._logins import BaseLogin
from upstile.server.storage import EphemeralStore, Record, User, increment

TRIES = 5
"""Wrong answers in a row, per ceremony, per user and per base login."""
FIRST_LOCK = 30
LONGEST_LOCK = 15 * 60
DISABLED_AFTER = 100
"""Wrong answers without a success in between, after which an authenticator is disabled."""

STARTS_WINDOW = 600
STARTS_PER_LOGIN = 10
STARTS_PER_USER = 50
STARTS_KEPT_FOR_KNOWN_KEYS = 10

_KEPT = 24 * 3600
_KNOWN_KEY_KEPT = 90 * 24 * 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """A try that was counted and may be checked.

    Attributes:
        left: tries that remain if this one turns out wrong; 0 if it was the last.
        retry_after: seconds of the lock that is in force if this one turns out wrong, else 1.
    """

    left: int
    retry_after: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Locked:
    """No try is allowed for `retry_after` seconds; nothing was counted."""

    retry_after: int


class LoginLost(Exception):
    """The base login has used up its wrong answers: the user has to sign in again."""


class Budgets:
    """Counts guesses and started ceremonies.

    Args:
        store: where all processes of the deployment count.
    """

    def __init__(self, store: EphemeralStore) -> None:
        self._store = store

    async def count_guess(self, user: User, login: BaseLogin, jkt: str | None, now: float) -> Counted | Locked:
        """Count one guess before it is checked.

        Raises:
            LoginLost: this base login may not guess any more.
        """
        left = TRIES
        await self.check_login(user, login, jkt, now)
        counted = await self._store.update(_tries(user), lambda found: _count_try(found, now), now)
        if isinstance(counted, Locked):
            return counted
        if not await self.knows_key(user, jkt, now):
            used = await increment(self._store, _login_tries(login), login.expires_at, now)
            if used > TRIES:
                raise LoginLost
            left = TRIES - used
        return Counted(left=min(left, counted.left), retry_after=counted.retry_after)

    async def left(self, user: User, login: BaseLogin, jkt: str | None, now: float) -> int:
        """Guesses that may still turn out wrong before something is locked or lost; at least 1."""
        found = await self._store.get(_tries(user), now)
        left = TRIES - (json.loads(found.value)["tries"] % TRIES if found else 0)
        if not await self.knows_key(user, jkt, now):
            used = await self._store.get(_login_tries(login), now)
            left = min(left, TRIES - (int(used.value) if used else 0))
        return max(1, left)

    async def locked(self, user: User, now: float) -> Locked | None:
        """The lock that is in force for the user, if any."""
        found = await self._store.get(_tries(user), now)
        until = json.loads(found.value)["until"] if found else 0
        return Locked(retry_after=_whole_seconds(until - now)) if now < until else None

    async def check_login(self, user: User, login: BaseLogin, jkt: str | None, now: float) -> None:
        """Raise `LoginLost` if this base login has used up its guesses, and its key is not a known one."""
        found = await self._store.get(_login_tries(login), now)
        if found and int(found.value) >= TRIES and not await self.knows_key(user, jkt, now):
            raise LoginLost

    async def guess_succeeded(self, user: User, login: BaseLogin, authenticators: Iterable[str], now: float) -> None:
        """A guessable method succeeded: all that its wrong answers were counted against begins anew."""
        for key in (_tries(user), _login_tries(login), *map(_failures, authenticators)):
            await self._store.update(key, lambda _: (None, None), now)

    async def guess_failed(self, authenticator: str, now: float) -> bool:
        """Note a wrong guess against an authenticator; whether it must be disabled now."""
        count = await increment(self._store, _failures(authenticator), now + 365 * 24 * 3600, now)
        return count >= DISABLED_AFTER

    async def count_start(self, user: User, login: BaseLogin, jkt: str | None, now: float) -> Locked | None:
        """Count one started ceremony; `Locked` if there were too many.

        A known key has its own ten of a base login: who stole the login's token cannot use them up.
        """
        known = await self.knows_key(user, jkt, now)
        of_login = f"starts:{login.sid} {jkt}" if known else f"starts:{login.sid}"
        kept = 0 if known else STARTS_KEPT_FOR_KNOWN_KEYS
        limits = {of_login: STARTS_PER_LOGIN, f"starts:{user}": STARTS_PER_USER - kept}
        for key, limit in limits.items():  # a refused start is not counted, so all are looked at first
            found = await self._store.get(key, now)
            if found and int(found.value) >= limit:
                return Locked(retry_after=_whole_seconds(found.expires_at - now))
        counts = [await increment(self._store, key, now + STARTS_WINDOW, now) for key in limits]
        if any(count > limit for count, limit in zip(counts, limits.values(), strict=True)):
            return Locked(retry_after=STARTS_WINDOW)
        return None

    async def remember_key(self, user: User, jkt: str | None, now: float) -> None:
        """A key completed a ceremony for this user: what a thief does elsewhere shall not lock it out."""
        if jkt is not None:
            known = Record(value=b"", expires_at=now + _KNOWN_KEY_KEPT)
            await self._store.update(_known(user, jkt), lambda _: (known, None), now)

    async def knows_key(self, user: User, jkt: str | None, now: float) -> bool:
        """Whether this key completed a ceremony for this user before."""
        return jkt is not None and await self._store.get(_known(user, jkt), now) is not None


async def forget_keys(store: EphemeralStore, user: User, now: float) -> None:
    """No key is known for this user any more."""
    for key in await store.keys(_known_keys(user), now):
        await store.update(key, lambda _: (None, None), now)


def _count_try(found: Record | None, now: float) -> tuple[Record | None, Counted | Locked]:
    """One more try in a row. The lock behind the last one of five is set before that one is checked."""
    state: dict[str, Any] = json.loads(found.value) if found else {"tries": 0, "until": 0}
    if now < state["until"]:
        return found, Locked(retry_after=_whole_seconds(state["until"] - now))
    tries = state["tries"] + 1
    last = tries % TRIES == 0
    lock = min(FIRST_LOCK * 2 ** (tries // TRIES - 1), LONGEST_LOCK) if last else 0
    value = json.dumps({"tries": tries, "until": now + lock if last else 0}).encode()
    kept = Record(value=value, expires_at=now + _KEPT)
    return kept, Counted(left=-tries % TRIES, retry_after=_whole_seconds(lock) if last else 1)


def _whole_seconds(seconds: float) -> int:
    return max(1, int(-(-seconds // 1)))


def _tries(user: User) -> str:
    return f"tries:{user}"


def _login_tries(login: BaseLogin) -> str:
    return f"login-tries:{login.sid}"


def _failures(authenticator: str) -> str:
    return f"failures:{authenticator}"


def _known(user: User, jkt: str) -> str:
    return f"{_known_keys(user)}{jkt}"


def _known_keys(user: User) -> str:
    return f"known-key:{user} "
