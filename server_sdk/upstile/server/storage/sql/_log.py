"""The log of revocations: numbers that are given once and become visible in their order."""

from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa

from upstile.server.storage._records import GRACE, Account, Revocation, Row, Settling, User
from upstile.server.storage._transactions import LOG_LOCK, take_lock
from upstile.server.storage.schema import _tables as tables

_log = tables.revocations.c


def ended(before: Account, after: Account, expires_at: int, spared: str | None = None) -> list[Revocation]:
    """What the log has to say when generations go up; `spared` is the `jti` that goes on."""
    name = before.user.subject
    entries: list[Revocation] = []
    if after.logins > before.logins:
        entries.append(Revocation(kind="logins", name=name, below=after.logins, expires_at=expires_at))
    if after.proofs > before.proofs:
        if spared is not None:  # first, so that nobody who reads along ever sees it ended
            entries.append(Revocation(kind="spared", name=spared, below=after.proofs, expires_at=expires_at))
        entries.append(Revocation(kind="proofs", name=name, below=after.proofs, expires_at=expires_at))
    return entries


def settling(connection: sa.Connection, rows: Sequence[Row], after: Account) -> None:
    """Note that a user was reset. Each reset ends a generation of proofs, which names the entry.

    A forgotten user may come to a number again that an entry has still: then the later end counts.
    """
    entries = [
        Revocation(kind="settling", name=row.subject, below=after.proofs, expires_at=row.until)
        for row in rows
        if isinstance(row, Settling)
    ]
    append(connection, after.user.issuer, entries)
    for entry in entries:
        shorter = sa.update(tables.revocations).where(
            *_same(after.user.issuer, entry), _log.expires_at < entry.expires_at
        )
        connection.execute(shorter.values(expires_at=entry.expires_at))


def settled_at(connection: sa.Connection, user: User, now: float) -> int | None:
    """The latest time of those that the log has for a user, if it is still to come."""
    query = sa.select(sa.func.max(_log.expires_at)).where(
        _log.issuer == user.issuer, _log.kind == "settling", _log.name == user.subject, _log.expires_at > now
    )
    latest: int | None = connection.execute(query).scalar_one()
    return latest


def not_before(connection: sa.Connection, account: Account) -> Account:
    """An account without generations of its own: one that was forgotten goes on with those that the log says.

    For as long as a token of before could live; read in the transaction of a change, so that none of them makes it.
    """
    if account.logins or account.proofs:
        return account
    query = (
        sa.select(_log.kind, sa.func.max(_log.below).label("below"))
        .where(_log.issuer == account.user.issuer, _log.kind.in_(("logins", "proofs")))
        .where(_log.name == account.user.subject)
        .group_by(_log.kind)
    )
    return replace(account, **{row.kind: row.below for row in connection.execute(query)})


def append(connection: sa.Connection, issuer: str, entries: Sequence[Revocation]) -> bool:
    """Append what is not there yet; whether there was anything.

    The numbers are taken under a lock that is held until the commit: otherwise a reader could see number 2 before
    number 1, and would never ask for 1 again.
    """
    if entries:
        take_lock(connection, LOG_LOCK)
    new = [entry for entry in entries if not is_there(connection, issuer, entry)]
    for entry in new:
        values = {"kind": entry.kind, "name": entry.name, "below": entry.below, "expires_at": entry.expires_at}
        connection.execute(sa.insert(tables.revocations), {"issuer": issuer, **values})
    return bool(new)


def is_there(connection: sa.Connection, issuer: str, entry: Revocation) -> bool:
    """Whether the log says this already."""
    return connection.execute(sa.select(_log.number).where(*_same(issuer, entry))).first() is not None


def after(connection: sa.Connection, issuer: str, number: int, now: float) -> list[Revocation]:
    """The live entries with a higher number, in order."""
    query = (
        sa.select(_log.kind, _log.name, _log.expires_at, _log.below, _log.number)
        .where(_log.issuer == issuer, _log.number > number, _log.expires_at > now - GRACE)
        .order_by(_log.number)
    )
    return [Revocation(**row) for row in connection.execute(query).mappings()]


def _same(issuer: str, entry: Revocation) -> tuple[sa.ColumnElement[bool], ...]:
    return _log.issuer == issuer, _log.kind == entry.kind, _log.name == entry.name, _log.below == entry.below
