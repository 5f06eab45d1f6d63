"""Brings a database to the newest schema, one process at a time."""

import time
from pathlib import Path

import sqlalchemy as sa

from upstile.server.storage._transactions import SCHEMA_LOCK, Busy, read, write
from upstile.server.storage.schema._fernet import Reseal, no_secret_keys
from upstile.server.storage.schema._version import HEAD, check, refuse_newer, version

PATIENCE = 300.0
"""Seconds to wait for another process that migrates."""
_MIGRATIONS = Path(__file__).parent / "migrations"


def prepare(engine: sa.Engine, issuer: str, reseal: Reseal = no_secret_keys) -> None:
    """Make the schema one that this release works on, as far as that is done without being asked.

    An empty database gets its tables, and an SQLite file is upgraded. A PostgreSQL database is not: other nodes may use
    it, so the operator says when.

    Args:
        engine: from `sqlite_engine` or `postgresql_engine`.
        issuer: our issuer identifier.
        reseal: seals anew what version 1 sealed.

    Raises:
        ConfigurationError: this release does not work on it; the message says what to do.
        StorageUnavailable: the database cannot be read or written.
    """
    if engine.dialect.name == "sqlite" or read(engine, version) is None:
        upgrade(engine, issuer, reseal)
    else:
        check(engine)


def upgrade(engine: sa.Engine, issuer: str, reseal: Reseal = no_secret_keys) -> None:
    """Migrate to the newest version, all or nothing; if another process is at it, wait until it is done.

    Args:
        engine: from `sqlite_engine` or `postgresql_engine`.
        issuer: our issuer identifier.
        reseal: seals anew what version 1 sealed.

    Raises:
        ConfigurationError: the database is of a later release or of another issuer, or a secret cannot be opened.
        StorageUnavailable: the database cannot be read or written.
    """
    until = time.monotonic() + PATIENCE
    while _is_behind(read(engine, version)):
        try:
            write(engine, lambda connection: _migrate(connection, issuer, reseal), SCHEMA_LOCK)
        except Busy:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)  # some answers of "busy" come at once


def _is_behind(found: int | None) -> bool:
    refuse_newer(found or 0)
    return found != HEAD


def _migrate(connection: sa.Connection, issuer: str, reseal: Reseal) -> None:
    if not _is_behind(version(connection)):  # another process was first
        return
    # Imported here, because most processes find the version that they need, and alembic takes long to import.
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection, "issuer": issuer, "reseal": reseal})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, str(HEAD))
