"""Deletes rows that are dead, a few at a time."""

import sqlalchemy as sa

from upstile.server.storage._records import GRACE
from upstile.server.storage.schema import _tables as tables

ROWS = 500
"""The most rows of a table that one sweep deletes."""

_authenticators, _log = tables.authenticators.c, tables.revocations.c


def sweep(connection: sa.Connection, now: float) -> bool:
    """Delete dead entries of the log and authenticators that stayed pending; whether there may be more."""
    # A clock that is set back must not bring a revoked token back to life, so the log keeps its grace.
    dead = sa.select(_log.number).where(_log.expires_at <= now - GRACE)
    pending = sa.select(_authenticators.id).where(_authenticators.expires_at <= now, _authenticators.state == "pending")
    log_is_full = _delete(connection, tables.revocations, _log.number, dead)
    pending_is_full = _delete(connection, tables.authenticators, _authenticators.id, pending)
    return log_is_full or pending_is_full


def _delete(
    connection: sa.Connection,
    table: sa.Table,
    key: sa.Column[str] | sa.Column[int],
    dead: sa.Select[str] | sa.Select[int],
) -> bool:
    # What another process is deleting, or somebody is about to activate, is left alone.
    batch = dead.limit(ROWS).with_for_update(skip_locked=True)
    return connection.execute(sa.delete(table).where(key.in_(batch))).rowcount >= ROWS
