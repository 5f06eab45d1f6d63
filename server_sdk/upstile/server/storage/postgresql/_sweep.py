"""Deletes one-time state that is over, some rows at a time."""

import sqlalchemy as sa

from upstile.server.storage._transactions import write
from upstile.server.storage.schema import _tables as tables

ROWS = 1000
"""The most rows of one transaction."""
TRANSACTIONS = 5
"""The most of one sweep, so that it is over within its second."""

_key, _kept_until = tables.one_time.c.key, tables.one_time.c.kept_until


def sweep(engine: sa.Engine, now: float) -> None:
    """Delete what is over.

    Args:
        engine: of the database.
        now: epoch seconds.
    """
    for _ in range(TRANSACTIONS):
        if write(engine, lambda connection: _delete(connection, now)) < ROWS:
            return


def _delete(connection: sa.Connection, now: float) -> int:
    # What is deleted now would be deleted the next time: nothing is lost with it, so no commit waits for the disk.
    connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
    over = sa.select(_key).where(_kept_until <= now).order_by(_kept_until).limit(ROWS)
    # What another node is deleting is left to it, and what is just being written again to whoever writes it.
    batch = over.with_for_update(skip_locked=True)
    return connection.execute(sa.delete(tables.one_time).where(_key.in_(batch))).rowcount
