"""What may happen to a user's authenticators: pure functions over the account, one transaction each."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from upstile.server.authorization.methods import Confirmed
from upstile.server.authorization.user._restore import TO_RESTORE, forgotten, is_begun_to_restore
from upstile.server.storage import Account, AuthenticatorRecord

CONFIRM_TRIES = 5
"""First proofs of a pending authenticator that are judged; its `counter` counts them."""
MOST_AUTHENTICATORS = 20
"""Of a user, those in use: nothing else takes a place, or who filled them all would have blocked the way back."""
MOST_DISABLED = 5
"""Disabled ones of a user that are remembered, the newest."""
PENDING_EACH = 5
"""Pending ones of a beginner: a base login and a key, or none."""
MOST_PENDING = 100
"""Pending ones of a user, whoever signs in again and again to begin more."""
WITH_CODE = "enrolment-code "
"""What `begun_by` of a pending one begins with that an enrolment code let begin."""
_CODES = (WITH_CODE, TO_RESTORE)


def live(account: Account, now: float) -> list[AuthenticatorRecord]:
    """All but the pending ones that have expired."""
    return [record for record in account.authenticators if not _expired(record, now)]


def find(account: Account, id: str, now: float) -> AuthenticatorRecord | None:
    """The authenticator with this identifier."""
    return next((record for record in live(account, now) if record.id == id), None)


def unchanged(account: Account) -> tuple[Account, None]:
    """Nothing; something is to be told with it."""
    return account, None


def beginner(sid: str | None, jkt: str | None) -> str:
    """Who begins an enrolment: a base login with a key, or with none."""
    return f"{sid} {jkt}"


def is_begun_by(record: AuthenticatorRecord, who: str) -> bool:
    """Whether this beginner may finish a pending authenticator."""
    return record.state == "pending" and record.begun_by is not None and _beginner_of(record) == who


def is_full(account: Account) -> bool:
    """Whether the user has as many authenticators in use as they may."""
    return sum(record.state == "active" for record in account.authenticators) >= MOST_AUTHENTICATORS


def added(
    account: Account, record: AuthenticatorRecord, now: float, *, by_code: str | None = None
) -> tuple[Account, bool]:
    """One more, pending: a beginner's sixth replaces their oldest. Whether it may begin.

    By the rule for first ones nothing begins while what an enrolment code let begin is pending. That is marked here,
    before the code is used up: who dies in between has not lost its right of way with it. `by_code` is that mark.
    """
    records = live(account, now)
    if record.first and by_code is None and any(map(_is_by_code, records)):
        return account, False
    own = [other for other in records if other.state == "pending" and other.begun_by == record.begun_by]
    theirs = [other for other in records if other.state == "pending" and other not in own and not _is_by_code(other)]
    gone = {other.id for other in own[: max(0, len(own) - PENDING_EACH + 1)]}
    gone |= {other.id for other in theirs[: max(0, len(theirs) - MOST_PENDING + PENDING_EACH)]}
    if by_code is not None:
        record = replace(record, begun_by=f"{by_code}{record.begun_by}", first=False)
    return _with(account, [*(other for other in records if other.id not in gone), record]), True


def preferred(account: Account, id: str, now: float) -> tuple[Account, bool]:
    """An enrolment code was used up for a pending one: what others began is forgotten, by a code as well."""
    record = find(account, id, now)
    if record is None:
        return account, False
    who = _beginner_of(record)
    return _with(account, [r for r in live(account, now) if r.state != "pending" or is_begun_by(r, who)]), True


def tried(account: Account, id: str, now: float) -> tuple[Account, tuple[AuthenticatorRecord, bool] | None]:
    """Count a first proof before it is judged.

    The pending authenticator, and whether this is its last try; `None` where none is left to be judged. Nothing is
    removed here: one of those that came before may still turn out right.
    """
    record = find(account, id, now)
    if record is None or record.state != "pending" or record.counter >= CONFIRM_TRIES:
        return account, None
    tries = record.counter + 1
    return _replaced(account, replace(record, counter=tries)), (replace(record, counter=0), tries == CONFIRM_TRIES)


def activated(
    account: Account,
    id: str,
    confirmed: Confirmed,
    now: float,
    is_still_first: Callable[[Sequence[AuthenticatorRecord], float], bool],
) -> tuple[Account, AuthenticatorRecord | None]:
    """The pending one is active; one caller succeeds, and a first one only while it would be the first.

    What other beginners have pending goes, but for what an enrolment code let begin: from now on a beginning may ask
    for more than theirs was asked for. What a mailed code let begin takes the place of all others: these are out of
    use, and all sign-ins and tokens have ended. What an enrolment code let begin after a reset ends all proofs: they
    are of before. So it is a reset where the generation of proofs goes up.
    """
    record = find(account, id, now)
    if record is None or record.state != "pending":
        return account, None
    if is_full(account) and not is_begun_to_restore(record):
        return account, None
    records = live(account, now)
    if record.first and (any(map(_is_by_code, records)) or not is_still_first(records, now)):
        return account, None
    active = replace(
        record,
        state="active",
        data=confirmed.data,
        counter=confirmed.counter,
        transports=confirmed.transports,
        last_used=int(now),
        begun_by=None,
        expires_at=None,
    )
    if is_begun_to_restore(record):
        rest, _ = disabled(account)
        return _with(rest, [*rest.authenticators, active]), active
    who = _beginner_of(record)
    stay = [other for other in account.authenticators if other.id == id or _stays(other, who)]
    if who != record.begun_by and any(other.state == "disabled" for other in account.authenticators):
        account = replace(account, proofs=account.proofs + 1)
    return _replaced(_with(account, stay), active), active


def with_data(account: Account, id: str, data: Mapping[str, Any], now: float) -> tuple[Account, bool]:
    """A pending one keeps something else; whether it was still pending."""
    record = find(account, id, now)
    if record is None or record.state != "pending":
        return account, False
    return _replaced(account, replace(record, data=data)), True


def put_in_use(account: Account, record: AuthenticatorRecord, who: str) -> tuple[Account, bool]:
    """One more, in use at once, if it is the only one of its method; whether it is. What others have pending goes."""
    if is_full(account) or any(r.method == record.method and r.state == "active" for r in account.authenticators):
        return account, False
    stay = [other for other in account.authenticators if _stays(other, who)]
    return _with(account, [*stay, record]), True


def regenerated(
    account: Account, id: str, new: str, data: Mapping[str, Any], who: str, now: float
) -> tuple[Account, AuthenticatorRecord | None]:
    """Other secrets, under another identifier: all that came of the old ones goes, as where one is removed.

    That is: all proofs up to now, what they let begin but for what `who` has begun, and the keys that are known through
    it. No answer that was judged against the old ones is written over the new ones.
    """
    record = find(account, id, now)
    if record is None or record.state != "active":
        return account, None
    changed = replace(record, id=new, data=data, counter=0, closed=False, last_used=None)
    records = [changed if other.id == id else other for other in account.authenticators]
    stay = [other for other in records if other.id == new or _stays(other, who)]
    return replace(_with(account, stay), proofs=account.proofs + 1), changed


def renamed(account: Account, id: str, name: str, now: float) -> tuple[Account, AuthenticatorRecord | None]:
    """Another name."""
    record = find(account, id, now)
    if record is None:
        return account, None
    changed = replace(record, name=name)
    return _replaced(account, changed), changed


def removed(
    account: Account, record: AuthenticatorRecord, who: str, is_a_way: Callable[[AuthenticatorRecord], bool]
) -> tuple[Account, bool | None]:
    """One less, if another one that is a way to confirm remains or it was pending; whether it was removed.

    `None` where it is not there any more, or not in the state that it was seen in.

    All proofs up to now have ended with it, unless it never was one; and what they let begin, but for what the
    beginner `who` has begun, who removes it, and what an enrolment code let begin.
    """
    gone = next((other for other in account.authenticators if other.id == record.id), None)
    others = [other for other in account.authenticators if other.id != record.id]
    if gone is None or gone.state != record.state:
        return account, None
    if gone.state == "pending":
        return _with(account, others), True
    if not any(map(is_a_way, others)):
        return account, False
    others = [other for other in others if _stays(other, who)]
    return replace(_with(account, others), proofs=account.proofs + 1), True


def discarded(account: Account, id: str) -> tuple[Account, None]:
    """Forget one that was never active."""
    return _with(account, [r for r in account.authenticators if r.id != id or r.state != "pending"]), None


def with_closed(account: Account, ids: Collection[str], *, closed: bool) -> Account:
    """These are closed to unknown keys, or open to them."""
    return _with(account, (replace(r, closed=closed) if r.id in ids else r for r in account.authenticators))


def reopened(account: Account, id: str, now: float) -> tuple[Account, AuthenticatorRecord | None]:
    """Unknown keys may try this one again."""
    account = with_closed(account, [id], closed=False)
    return account, find(account, id, now)


def signed_out(account: Account) -> tuple[Account, Account]:
    """All sign-ins and tokens up to now have ended, and what was begun or asked for in them."""
    records = [record for record in forgotten(account).authenticators if record.state != "pending"]
    account = replace(_with(account, records), logins=account.logins + 1, proofs=account.proofs + 1)
    return account, account


def disabled(account: Account) -> tuple[Account, Account]:
    """The same, and all authenticators are out of use."""
    account, _ = signed_out(account)
    newest = account.authenticators[-MOST_DISABLED:]
    account = _with(account, (replace(record, state="disabled") for record in newest))
    return account, account


def at_least(account: Account, logins: int, proofs: int) -> tuple[Account, Account]:
    """The generations of a user who was forgotten and comes back while the log still knows of their end."""
    account = replace(account, logins=max(account.logins, logins), proofs=max(account.proofs, proofs))
    return account, account


def _is_by_code(record: AuthenticatorRecord) -> bool:
    return record.state == "pending" and record.begun_by is not None and record.begun_by.startswith(_CODES)


def _beginner_of(record: AuthenticatorRecord) -> str:
    begun_by = record.begun_by or ""
    return next((begun_by.removeprefix(code) for code in _CODES if begun_by.startswith(code)), begun_by)


def _stays(record: AuthenticatorRecord, who: str) -> bool:
    """Whether one stays when what others have begun goes: what is pending stays for `who` and by an enrolment code."""
    return record.state != "pending" or is_begun_by(record, who) or _is_by_code(record)


def _with(account: Account, records: Iterable[AuthenticatorRecord]) -> Account:
    return replace(account, authenticators=tuple(records))


def _replaced(account: Account, record: AuthenticatorRecord) -> Account:
    return _with(account, (record if old.id == record.id else old for old in account.authenticators))


def _expired(record: AuthenticatorRecord, now: float) -> bool:
    return record.state == "pending" and record.expires_at is not None and now >= record.expires_at
