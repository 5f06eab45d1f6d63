"""Records as rows, and the difference between two states of an account as statements."""

from typing import Any

import sqlalchemy as sa

from upstile.server.storage._records import Account, AuthenticatorRecord, User
from upstile.server.storage.schema import _tables as tables

_accounts, _authenticators = tables.accounts.c, tables.authenticators.c


def read_account(connection: sa.Connection, user: User, *, lock: bool = False) -> Account:
    """A user as they are now.

    Args:
        connection: in a transaction.
        user: whose account.
        lock: keep what is read from being changed by others until the transaction ends.
    """
    # The generations are read first: if both change in between, what is seen belongs to an ended one, and is refused.
    logins, proofs = _generations(connection, user) or (0, 0)
    query = _select().where(*_of(user)).order_by(_authenticators.created, _authenticators.id)
    rows = connection.execute(query.with_for_update() if lock else query).mappings()
    return Account(user=user, authenticators=tuple(map(_record, rows)), logins=logins, proofs=proofs)


def read_authenticators(
    connection: sa.Connection, issuer: str, after: str, limit: int
) -> list[tuple[User, AuthenticatorRecord]]:
    """The authenticators of an issuer whose id is greater than `after`, in the order of their ids."""
    query = (
        _select()
        .where(_authenticators.id > after, _authenticators.issuer == issuer)
        .order_by(_authenticators.id)
        .limit(limit)
    )
    rows = connection.execute(query).mappings()
    return [(User(row["issuer"], row["subject"]), _record(row)) for row in rows]


def write_account(connection: sa.Connection, before: Account, after: Account) -> None:
    """Write what differs: rows that went first, so that what replaces them finds their place free."""
    old = {record.id: record for record in before.authenticators}
    new = {record.id: record for record in after.authenticators}
    for id in old.keys() - new.keys():
        connection.execute(sa.delete(tables.authenticators).where(*_of(before.user), _authenticators.id == id))
    for id, record in new.items():
        if id not in old:
            connection.execute(sa.insert(tables.authenticators), _row(before.user, record))
        elif record != old[id]:
            change = sa.update(tables.authenticators).where(*_of(before.user), _authenticators.id == id)
            connection.execute(change, _row(before.user, record))
    if (after.logins, after.proofs) != (before.logins, before.proofs):
        _write_generations(connection, after)


def delete_account(connection: sa.Connection, user: User) -> None:
    """Delete all rows of a user."""
    connection.execute(sa.delete(tables.authenticators).where(*_of(user)))
    own = (_accounts.issuer == user.issuer, _accounts.subject == user.subject)
    connection.execute(sa.delete(tables.accounts).where(*own))


def _write_generations(connection: sa.Connection, account: Account) -> None:
    values = {"logins": account.logins, "proofs": account.proofs}
    if _generations(connection, account.user) is None:
        issuer, subject = account.user
        connection.execute(sa.insert(tables.accounts), {"issuer": issuer, "subject": subject, **values})
    else:
        own = (_accounts.issuer == account.user.issuer, _accounts.subject == account.user.subject)
        connection.execute(sa.update(tables.accounts).where(*own).values(values))


def _generations(connection: sa.Connection, user: User) -> tuple[int, int] | None:
    query = sa.select(_accounts.logins, _accounts.proofs).where(
        _accounts.issuer == user.issuer, _accounts.subject == user.subject
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else (row.logins, row.proofs)


def _of(user: User) -> tuple[sa.ColumnElement[bool], ...]:
    return _authenticators.issuer == user.issuer, _authenticators.subject == user.subject


def _select() -> sa.Select[Any]:
    names = (*_MEMBERS, "transports", "issuer", "subject")
    return sa.select(*(_authenticators[name] for name in names))


def _record(row: sa.RowMapping) -> AuthenticatorRecord:
    members = {name: row[name] for name in _MEMBERS}
    return AuthenticatorRecord(**members, transports=tuple((row["transports"] or "").split()))


_MEMBERS = tuple(name for name in AuthenticatorRecord.__dataclass_fields__ if name != "transports")


def _row(user: User, record: AuthenticatorRecord) -> dict[str, Any]:
    members = {name: getattr(record, name) for name in _MEMBERS}
    # Only a credential that was verified takes its place among all users' (WebAuthn §7.1); a disabled one keeps it.
    is_credential = record.method == "webauthn" and record.state != "pending"
    credential_id = record.data.get("id") if is_credential else None
    return {
        **members,
        "issuer": user.issuer,
        "subject": user.subject,
        "data": dict(record.data),
        "credential_id": credential_id,
        "transports": " ".join(record.transports) or None,
    }
