"""What may happen to a user's authenticators: pure functions over the account, one transaction each."""

from collections.abc import Iterable
from dataclasses import replace

from upstile.server.authorization.methods import Confirmed
from upstile.server.storage import Account, AuthenticatorRecord

CONFIRM_TRIES = 5
"""First proofs of a pending authenticator that are judged; its `counter` counts them."""


def live(account: Account, now: float) -> list[AuthenticatorRecord]:
    """All but the pending ones that have expired."""
    return [record for record in account.authenticators if not _expired(record, now)]


def find(account: Account, id: str, now: float) -> AuthenticatorRecord | None:
    """The authenticator with this identifier."""
    return next((record for record in live(account, now) if record.id == id), None)


def unchanged(account: Account) -> tuple[Account, None]:
    """Nothing; something is to be told with it."""
    return account, None


def added(account: Account, record: AuthenticatorRecord, now: float) -> tuple[Account, None]:
    """One more, pending."""
    return _with(account, [*live(account, now), record]), None


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
    account: Account, id: str, confirmed: Confirmed, now: float
) -> tuple[Account, AuthenticatorRecord | None]:
    """The pending one is active; one caller succeeds, and a first one only while it would be the first."""
    record = find(account, id, now)
    if record is None or record.state != "pending":
        return account, None
    if record.first and any(other.state == "active" for other in account.authenticators):
        return account, None
    active = replace(
        record,
        state="active",
        data=confirmed.data,
        counter=confirmed.counter,
        last_used=int(now),
        begun_by=None,
        expires_at=None,
    )
    return _replaced(account, active), active


def renamed(account: Account, id: str, name: str, now: float) -> tuple[Account, AuthenticatorRecord | None]:
    """Another name."""
    record = find(account, id, now)
    if record is None:
        return account, None
    changed = replace(record, name=name)
    return _replaced(account, changed), changed


def removed(account: Account, id: str) -> tuple[Account, bool]:
    """One less, if another active one remains or it was pending; whether it was removed."""
    gone = next((record for record in account.authenticators if record.id == id), None)
    others = [record for record in account.authenticators if record.id != id]
    if gone is None or (gone.state != "pending" and all(other.state != "active" for other in others)):
        return account, False
    return _with(account, others), True


def discarded(account: Account, id: str) -> tuple[Account, None]:
    """Forget one that was never active."""
    return _with(account, [r for r in account.authenticators if r.id != id or r.state != "pending"]), None


def ended(account: Account) -> tuple[Account, Account]:
    """All out of use, those that were never active forgotten; all sign-ins and tokens up to now have ended."""
    records = [replace(record, state="disabled") for record in account.authenticators if record.state != "pending"]
    account = replace(_with(account, records), logins=account.logins + 1, proofs=account.proofs + 1)
    return account, account


def _with(account: Account, records: Iterable[AuthenticatorRecord]) -> Account:
    return replace(account, authenticators=tuple(records))


def _replaced(account: Account, record: AuthenticatorRecord) -> Account:
    return _with(account, (record if old.id == record.id else old for old in account.authenticators))


def _expired(record: AuthenticatorRecord, now: float) -> bool:
    return record.state == "pending" and record.expires_at is not None and now >= record.expires_at
