"""The audit table: rows are appended, read by user, and deleted when they are old enough."""

from collections.abc import Sequence

import sqlalchemy as sa

from upstile.server.storage._records import AuditRow, User
from upstile.server.storage.schema import _tables as tables

ROWS = 500
"""The most rows that one sweep deletes."""

_audit = tables.audit.c


def append(connection: sa.Connection, rows: Sequence[AuditRow]) -> None:
    """Append rows."""
    if rows:
        connection.execute(sa.insert(tables.audit), [row._asdict() for row in rows])


def of_user(connection: sa.Connection, user: User) -> list[AuditRow]:
    """What there is of a user, the oldest first."""
    columns = [_audit[name] for name in AuditRow._fields]
    query = sa.select(*columns).where(*_is_of(user)).order_by(_audit.at, _audit.number)
    return [AuditRow(*row) for row in connection.execute(query)]


def forget(connection: sa.Connection, user: User) -> None:
    """Delete what there is of a user."""
    connection.execute(sa.delete(tables.audit).where(*_is_of(user)))


def sweep(connection: sa.Connection, before: float) -> bool:
    """Delete some rows that are older; whether there may be more.

    Numbers go up with time, but for some seconds: so only the first rows are looked at.
    """
    first = sa.select(_audit.number, _audit.at).order_by(_audit.number).limit(ROWS)
    batch = first.with_for_update(skip_locked=True).subquery()
    old = sa.select(batch.c.number).where(batch.c.at < before)
    return connection.execute(sa.delete(tables.audit).where(_audit.number.in_(old))).rowcount >= ROWS


def _is_of(user: User) -> tuple[sa.ColumnElement[bool], ...]:
    return _audit.issuer == user.issuer, _audit.subject == user.subject
