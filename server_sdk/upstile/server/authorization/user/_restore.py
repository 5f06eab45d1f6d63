"""The way back by mail: pure functions over the account (docs/decisions/0020).

What was asked for lies with the mail destination that the code goes to, so it is as durable as that, and every change
of it is one transaction with the account. There is one of a user.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from hmac import compare_digest
from typing import Literal, NamedTuple

from upstile.protocol import spoken_code
from upstile.server.authorization._lives import ENROLMENT_CODE_LIFE, PENDING_LIFE, RESTORE_DELAY, RESTORE_LAPSES
from upstile.server.storage import Account, AuthenticatorRecord

TO_RESTORE = "restore-code "
"""What `begun_by` of a pending authenticator begins with that a mailed code let begin."""
_MEMBER = "restore"


@dataclass(frozen=True, kw_only=True, slots=True)
class Restore:
    """Somebody asked for a code by mail.

    Attributes:
        asked: when (epoch seconds).
        by: the thumbprint of the key that asked.
        cancelled: whether somebody with a proof or a known key was here since.
        code, until: the hash of the code that was mailed, and when it ends (epoch seconds).
    """

    asked: float
    by: str
    cancelled: bool = False
    code: str | None = None
    until: float = 0


class Stage(NamedTuple):
    """What asking for a code at a destination does now.

    Attributes:
        name: `new`, it begins; `waiting`, it has begun; `due`, a code is sent; `refused`, it was cancelled less than a
            day ago, or is under way for another destination.
        wait: seconds until it does something else.
    """

    name: Literal["new", "waiting", "due", "refused"]
    wait: float = 0


def stage_of(account: Account, id: str, now: float) -> Stage:
    """The stage of a destination."""
    found = next(_found(account), None)
    if found is None or now >= found[1].asked + RESTORE_LAPSES:
        return Stage("new")
    record, asked = found
    wait = asked.asked + RESTORE_DELAY - now
    if asked.cancelled:
        return Stage("refused", wait) if wait > 0 else Stage("new")
    if record.id != id:  # or whoever knows the password would void the owner's code every day
        return Stage("refused", asked.asked + RESTORE_LAPSES - now)
    return Stage("waiting", wait) if wait > 0 else Stage("due")


def asked(account: Account, id: str, by: str, now: float) -> tuple[Account, bool]:
    """Begin to wait; whether it does. What was asked for before is forgotten."""
    if stage_of(account, id, now).name != "new":
        return account, False
    return _kept(forgotten(account), id, Restore(asked=now, by=by)), True


def code_sent(account: Account, id: str, code: str, now: float) -> tuple[Account, bool]:
    """A code was mailed, and voids the one before; whether it is good."""
    found = next(_found(account), None)
    if found is None or stage_of(account, id, now).name != "due":
        return account, False
    return _kept(account, id, replace(found[1], code=_hash(code), until=now + ENROLMENT_CODE_LIFE)), True


def is_right(account: Account, code: str, now: float) -> bool:
    """Whether this is the code that was mailed last, and it is good."""
    found = next(_found(account), None)
    if found is None or stage_of(account, found[0].id, now).name != "due":
        return False
    return found[1].code is not None and now < found[1].until and compare_digest(found[1].code, _hash(code))


def used(account: Account, code: str, now: float) -> tuple[Account, bool]:
    """Use a code up; whether it was good."""
    if not is_right(account, code, now):
        return account, False
    record, asked = next(_found(account))
    return _kept(account, record.id, replace(asked, code=None)), True


def is_begun_to_restore(record: AuthenticatorRecord) -> bool:
    """Whether a pending authenticator takes the place of all others once it is active."""
    return record.state == "pending" and (record.begun_by or "").startswith(TO_RESTORE)


def is_under_way(account: Account, now: float, *, but_by: str | None = None) -> bool:
    """Whether something can be cancelled that another key than `but_by` asked for."""
    found = next(_found(account), None)
    if found is None or found[1].cancelled or found[1].by == but_by:
        return False
    return now < found[1].asked + RESTORE_LAPSES + PENDING_LIFE  # what the code let begin in the last moment, too


def cancelled(account: Account, now: float, *, but_by: str | None = None) -> tuple[Account, bool]:
    """End what was asked for, and what its code let begin; whether there was something."""
    if not is_under_way(account, now, but_by=but_by):
        return account, False
    record, asked = next(_found(account))
    account = _kept(account, record.id, replace(asked, cancelled=True, code=None))
    stay = tuple(record for record in account.authenticators if not is_begun_to_restore(record))
    return replace(account, authenticators=stay), True


def forgotten(account: Account) -> Account:
    """Nobody has asked for anything, and nothing was begun with a code by mail."""
    stay = (record for record in account.authenticators if not is_begun_to_restore(record))
    return replace(account, authenticators=tuple(map(_plain, stay)))


def _found(account: Account) -> Iterator[tuple[AuthenticatorRecord, Restore]]:
    for record in account.authenticators:
        if record.state == "active" and _MEMBER in record.data:
            yield record, Restore(**record.data[_MEMBER])


def _kept(account: Account, id: str, restore: Restore) -> Account:
    def with_it(record: AuthenticatorRecord) -> AuthenticatorRecord:
        return replace(record, data={**record.data, _MEMBER: asdict(restore)}) if record.id == id else record

    return replace(account, authenticators=tuple(map(with_it, account.authenticators)))


def _plain(record: AuthenticatorRecord) -> AuthenticatorRecord:
    if _MEMBER not in record.data:
        return record
    return replace(record, data={name: value for name, value in record.data.items() if name != _MEMBER})


def _hash(code: str) -> str:
    """What is kept of a code: of 80 random bits a hash says nothing."""
    return sha256(spoken_code(code).encode("utf-8", "surrogatepass")).hexdigest()
