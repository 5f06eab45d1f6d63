"""How often codes may be sent (upstile profile §7): five in any hour on each side, so that nobody is flooded.

A code that could not be handed over is given back, so that a mail server that is away costs nothing. That happens five
times in an hour at most: a hook that says it failed, and did not, floods nobody either.
"""

from upstile.server._changed import changed
from upstile.server.authorization.user._budgets import Side, whole_seconds
from upstile.server.authorization.user._user_state import UserState

SENDS = 5
SENDS_WINDOW = 3600
FAILED_SENDS = 5
"""Sends of an hour and a side that are given back."""
FIRST_SENDS = 10
"""First codes of a user in an hour, to places that nobody has verified, whichever keys ask."""
RESEND_AFTER = 30
"""Seconds between two sends of a ceremony."""


def wait_to_send(user: UserState, side: Side, now: float) -> int:
    """Seconds until a side may send another code; 0 where it may now."""
    sends, failed = _counted(user, side)
    return max(wait_for(sends, SENDS, now), wait_for(failed, FAILED_SENDS, now))


def wait_to_send_first(user: UserState, side: Side, now: float) -> int:
    """The same for the first code to a new place: a new key is known soon, and each would have five of its own."""
    return max(wait_to_send(user, side, now), wait_for(user.first_sends, FIRST_SENDS, now))


def first_sent(user: UserState, side: Side, now: float) -> UserState:
    """Count one of those."""
    return sent(changed(user, first_sends=(*recent(user.first_sends, now), now)), side, now)


def sent(user: UserState, side: Side, now: float) -> UserState:
    """Count one send, before it happens."""
    sends, failed = _counted(user, side)
    return _with(user, side, (*recent(sends, now), now), recent(failed, now))


def not_sent(user: UserState, side: Side, at: float) -> UserState:
    """Give one back that was counted at this time: it could not be handed over."""
    sends, failed = _counted(user, side)
    if at not in sends:  # the key is no longer known, or the user was forgotten
        return user
    gone = sends.index(at)
    return _with(user, side, (*sends[:gone], *sends[gone + 1 :]), (*recent(failed, at), at))


def _counted(user: UserState, side: Side) -> tuple[tuple[float, ...], tuple[float, ...]]:
    row = user if side is None else user.known.get(side)
    return ((), ()) if row is None else (row.sends, row.failed_sends)


def _with(user: UserState, side: Side, sends: tuple[float, ...], failed: tuple[float, ...]) -> UserState:
    if side is None:
        return changed(user, sends=sends, failed_sends=failed)
    if side not in user.known:
        return user
    key = changed(user.known[side], sends=sends, failed_sends=failed)
    return changed(user, known={**user.known, side: key})


def recent(times: tuple[float, ...], now: float) -> tuple[float, ...]:
    """Those of the last hour."""
    return tuple(at for at in times if now - at < SENDS_WINDOW)


def wait_for(times: tuple[float, ...], most: int, now: float) -> int:
    """Seconds until there are fewer than `most` in the last hour."""
    late = recent(times, now)
    return whole_seconds(late[-most] + SENDS_WINDOW - now) if len(late) >= most else 0
