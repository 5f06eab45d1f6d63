"""How often something may be tried (upstile profile §7): pure functions over the
plain records of `_user_state.py`.

Wrong answers count on two sides: each *known* key of a user has a row of its own, all unknown keys share one. So who
knows the password locks out neither the owner's known device nor the owner for good. `side` is the thumbprint of a
known key, or `None` for the unknown side. What is counted is counted before it is checked.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from upstile.server._changed import changed
from upstile.server.authorization._lives import KNOWN_FOR
from upstile.server.authorization.user._logins import BaseLogin
from upstile.server.authorization.user._user_state import KnownKey, Login, Row, UserState

TRIES = 5
"""Wrong answers in a row: per ceremony, per side, and per base login by unknown keys."""
FIRST_LOCK = 30
LONGEST_LOCK = 15 * 60
LOCKS_REMEMBERED = 24 * 3600
LAST_TRY = 100
"""Wrong answers without a success in between: they close an authenticator to unknown keys, and make a key unknown."""

STARTS_WINDOW = 600
STARTS = 10
"""Ceremonies started in the window, per base login by unknown keys, and per known key."""
STARTS_OF_UNKNOWN = 40

STARTED_LOGINS = 64
"""Base logins without a wrong answer whose starts are remembered: more than unknown keys may start with guesses."""

KNOWN_KEYS = 8
_LOCKS_KEPT = 6  # the sixth lock is as long as any later one

Side = str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Charged:
    """A try that was counted and may be checked.

    Attributes:
        left: tries that remain if this one turns out wrong; 0 if it was the last.
        until: the end of the lock that was set in case it turns out wrong (epoch seconds), else 0.
        authenticators: those that it may be judged against; by an unknown key it counts against each of them.
        counted: whether anything was counted: it was a guess.
    """

    left: int
    until: float = 0
    authenticators: tuple[str, ...] = ()
    counted: bool = True


def side_of(user: UserState, jkt: str | None, now: float) -> Side:
    """The side that a key counts on; a ceremony without a key is unknown always."""
    key = user.known.get(jkt) if jkt is not None else None
    return jkt if key is not None and now - key.last_used <= KNOWN_FOR and key.wrong < LAST_TRY else None


def row_of(user: UserState, side: Side) -> Row:
    """The row of wrong answers of a side."""
    return user.unknown if side is None else user.known[side].row


def lock_of(user: UserState, side: Side, now: float) -> int | None:
    """Seconds until the side's lock ends; `None` where none is in force."""
    until = row_of(user, side).until
    return whole_seconds(until - now) if now < until else None


def is_lost(user: UserState, login: BaseLogin, side: Side) -> bool:
    """Whether a base login has used up its answers, for good; a known key goes on with it."""
    return side is None and login.sid in user.logins and user.logins[login.sid].wrong >= TRIES


def left(user: UserState, login: BaseLogin, side: Side) -> int:
    """Guesses that may still turn out wrong before something is locked or lost; at least 1."""
    tries = TRIES - row_of(user, side).wrong
    if side is None and login.sid in user.logins:
        tries = min(tries, TRIES - user.logins[login.sid].wrong)
    return max(1, tries)


def closed_to(user: UserState, side: Side) -> frozenset[str]:
    """The authenticators that unknown keys have given `LAST_TRY` wrong answers to, as far as this side is concerned."""
    return frozenset() if side is not None else frozenset(id for id, n in user.failures.items() if n >= LAST_TRY)


def charge(
    user: UserState, login: BaseLogin, side: Side, authenticators: Iterable[str], now: float
) -> tuple[UserState, Charged]:
    """Count one guess against everything that a wrong one counts against, in case it turns out wrong."""
    authenticators = tuple(authenticators)
    row = _one_more(row_of(user, side), now)
    until = row.until if row.wrong == 0 else 0
    remaining = 0 if until else TRIES - row.wrong
    if side is not None:
        key = user.known[side]
        charged = Charged(left=remaining, until=until, authenticators=authenticators)
        return _with_key(user, side, changed(key, row=row, wrong=key.wrong + 1)), charged
    failures = {**user.failures, **{id: user.failures.get(id, 0) + 1 for id in authenticators}}
    used = _login(user, login)
    used = changed(used, wrong=used.wrong + 1)
    user = changed(user, unknown=row, failures=failures, logins=_with_login(user, login, used, now))
    remaining = max(0, min(remaining, TRIES - used.wrong))
    return user, Charged(left=remaining, until=until, authenticators=authenticators)


def succeed(
    user: UserState, login: BaseLogin, side: Side, authenticator: str, charged: Charged, now: float
) -> UserState:
    """An answer was right: the rows of its side and of its base login end, and nothing else.

    What was counted for it is taken back: the lock of its own, and the try at the user's other authenticators.
    """
    logins = user.logins
    if login.sid in logins and (side is None or logins[login.sid].wrong < TRIES):
        logins = _with_login(user, login, changed(logins[login.sid], wrong=0), now)
    if side is not None and side not in user.known:  # eight others were known since
        return changed(user, logins=logins)
    row = row_of(user, side)
    own = charged.until and row.until == charged.until
    row = Row(locks=row.locks[:-1]) if own else Row(until=row.until, locks=row.locks)
    if side is not None:
        return changed(user, logins=logins, known={**user.known, side: changed(user.known[side], row=row, wrong=0)})
    failures = {id: n - (id in charged.authenticators) for id, n in user.failures.items() if id != authenticator}
    return changed(user, unknown=row, failures={id: n for id, n in failures.items() if n}, logins=logins)


def answered(
    user: UserState, login: BaseLogin, side: Side, authenticator: str, charged: Charged, now: float
) -> UserState:
    """An answer was right, and is no success: what was counted for it is taken back, and no row ends.

    Who knows the password, or reads the mail, must not get five new guesses at something else for it.
    """
    logins = user.logins
    if side is None and login.sid in logins and charged.counted:
        used = changed(logins[login.sid], wrong=max(0, logins[login.sid].wrong - 1))
        logins = _with_login(user, login, used, now)
    if not charged.counted or (side is not None and side not in user.known):
        return user
    row = row_of(user, side)
    if charged.until and row.until == charged.until:
        row = Row(wrong=TRIES - 1, locks=row.locks[:-1])
    else:
        row = changed(row, wrong=max(0, row.wrong - 1))
    if side is not None:
        key = user.known[side]
        return changed(user, known={**user.known, side: changed(key, row=row, wrong=max(0, key.wrong - 1))})
    failures = {id: n - (id in charged.authenticators) for id, n in user.failures.items() if id != authenticator}
    return changed(user, unknown=row, failures={id: n for id, n in failures.items() if n}, logins=logins)


def opened(user: UserState, authenticator: str) -> UserState:
    """Unknown keys may try this one again: its count begins anew."""
    return changed(user, failures={id: n for id, n in user.failures.items() if id != authenticator})


def unlocked(user: UserState) -> UserState:
    """Unknown keys may try all of them again, now; the next lock is no shorter for that."""
    return changed(user, failures={}, unknown=Row(locks=user.unknown.locks))


def starts_are_used_up(user: UserState, side: Side, now: float) -> bool:
    """Whether unknown keys have used their starts: then they are offered what cannot be guessed, as during a lock."""
    return side is None and len(_recent(user.starts, now)) >= STARTS_OF_UNKNOWN


def count_start(user: UserState, login: BaseLogin, side: Side, now: float, *, guessable: bool) -> UserState | int:
    """Count one start; the seconds to wait where there were too many. A known key has ten that nothing else can take.

    `guessable` says whether the step offers what can be guessed: only that counts against the sum of unknown keys.
    """
    starts = _recent(_login(user, login).starts if side is None else user.known[side].starts, now)
    if len(starts) >= STARTS:
        return whole_seconds(starts[-STARTS] + STARTS_WINDOW - now)
    if side is not None:
        return _with_key(user, side, changed(user.known[side], starts=(*starts, now)))
    of_unknown = _recent(user.starts, now)
    if guessable and len(of_unknown) >= STARTS_OF_UNKNOWN:
        return whole_seconds(of_unknown[-STARTS_OF_UNKNOWN] + STARTS_WINDOW - now)
    used = changed(_login(user, login), starts=(*starts, now))
    of_unknown = (*of_unknown, now) if guessable else of_unknown
    return changed(user, starts=of_unknown, logins=_with_login(user, login, used, now))


def remember_key(user: UserState, jkt: str | None, authenticators: Collection[str], now: float) -> UserState:
    """A key got a code: it is known from now on, one of eight at the most."""
    if jkt is None:
        return user
    key = user.known.get(jkt) if side_of(user, jkt, now) is not None else None
    known = KnownKey(last_used=now) if key is None else key
    known = changed(known, authenticators=tuple(authenticators), successes=known.successes + 1, last_used=now, wrong=0)
    others = {other: it for other, it in user.known.items() if other != jkt and side_of(user, other, now) is not None}
    if len(others) >= KNOWN_KEYS:
        del others[min(others, key=lambda other: (others[other].successes > 1, others[other].last_used))]
    return changed(user, known={**others, jkt: known})


def whole_seconds(seconds: float) -> int:
    """Seconds as `Retry-After` says them: rounded up, at least 1."""
    return max(1, int(-(-seconds // 1)))


def _one_more(row: Row, now: float) -> Row:
    wrong = row.wrong + 1
    if wrong < TRIES:
        return Row(wrong=wrong, until=row.until, locks=row.locks)
    locks = tuple(at for at in row.locks if now - at < LOCKS_REMEMBERED)[-_LOCKS_KEPT:]
    lasts = min(FIRST_LOCK * 2 ** len(locks), LONGEST_LOCK)
    return Row(until=now + lasts, locks=(*locks, now))


def _recent(starts: tuple[float, ...], now: float) -> tuple[float, ...]:
    return tuple(at for at in starts if now - at < STARTS_WINDOW)


def _login(user: UserState, login: BaseLogin) -> Login:
    return user.logins.get(login.sid) or Login(expires_at=login.expires_at)


def _with_login(user: UserState, login: BaseLogin, used: Login, now: float) -> dict[str, Login]:
    """The logins with this one changed; those that are dead, or that nothing is counted for, are left out.

    Of those that were only started with, the newest are kept: who signs in again and again makes no record grow.
    """
    kept = {**user.logins, login.sid: used}
    live = {sid: it for sid, it in kept.items() if now < it.expires_at and (it.wrong or _recent(it.starts, now))}
    started = [sid for sid, it in live.items() if not it.wrong]
    for sid in started[: max(0, len(started) - STARTED_LOGINS)]:
        del live[sid]
    return live


def _with_key(user: UserState, jkt: str, key: KnownKey) -> UserState:
    return changed(user, known={**user.known, jkt: key})
