"""Which version of the schema a database has, and whether this release works on it."""

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from upstile.server._errors import ConfigurationError
from upstile.server.storage._transactions import read


class NothingYet(ConfigurationError):
    """There is no schema yet, and nothing is wrong with that before the server starts for the first time."""


HEAD = 6
"""The version that this release writes."""
TABLE = "upstile_schema"
"""Where alembic notes the version."""
WITH_NOTICES = 6
"""The first version with a queue of notices."""
_OLDEST = 2
_OF_VERSION_1 = {"upstile_authenticators", "upstile_signing_keys", "upstile_ephemeral"}
_noted = sa.text(f"SELECT version_num FROM {TABLE}")  # noqa: S608


def version(connection: sa.Connection) -> int | None:
    """The version of the schema; `None` for an empty database.

    One statement says it, except for a database of version 1, which had no table for it, or an empty one.

    Raises:
        ConfigurationError: it is no version of ours.
    """
    try:
        with connection.begin_nested():
            noted = connection.execute(_noted).scalar_one_or_none()
    except SQLAlchemyError:
        names = set(sa.inspect(connection).get_table_names())
        if TABLE not in names:
            return 1 if names & _OF_VERSION_1 else None
        noted = connection.execute(_noted).scalar_one_or_none()  # another process has just made it
    if not str(noted).isdecimal():
        raise ConfigurationError(f"the table {TABLE} names the version {noted!r}, which is none of ours")
    return int(str(noted))


def check(engine: sa.Engine) -> int:
    """The version of a schema that this release works on.

    Raises:
        NothingYet: there is none.
        ConfigurationError: it does not work on it; the message says what to do.
        StorageUnavailable: the database cannot be read.
    """
    found = read(engine, version)
    if found is None:
        raise NothingYet("the database is empty: run `upstile-server db upgrade`")
    refuse_newer(found)
    if found < max(_OLDEST, HEAD - 1):
        raise ConfigurationError(
            f"the database has version {found} of the schema, and this release needs {HEAD}: stop all nodes, make a "
            "backup and run `upstile-server db upgrade`"
        )
    return found


def refuse_newer(found: int) -> None:
    """Refuse a schema that a later release made.

    Raises:
        ConfigurationError: it is newer than this release.
    """
    if found > HEAD:
        raise ConfigurationError(
            f"the database has version {found} of the schema, and this release knows {HEAD} at most: install the "
            "release that upgraded it, or a later one; there is no way back but a backup"
        )
