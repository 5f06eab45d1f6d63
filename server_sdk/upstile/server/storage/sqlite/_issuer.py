"""Whose file it is."""

import sqlite3

from upstile.server._errors import ConfigurationError

_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"
_OURS = ("upstile_authenticators", "upstile_accounts", "upstile_signing_keys")


def check_issuer(connection: sqlite3.Connection, issuer: str) -> None:
    """Refuse a file that knows authenticators of other issuers only: they could not work here.

    Args:
        connection: to a file that may be empty, or of an earlier version.
        issuer: our issuer identifier.

    Raises:
        ConfigurationError: the file belongs to another deployment, or `url=` was changed.
    """
    tables = {name for (name,) in connection.execute(_TABLES)}
    if _OURS[0] not in tables or any(_knows(connection, table, issuer) for table in _OURS if table in tables):
        return
    others = [name for (name,) in connection.execute("SELECT DISTINCT issuer FROM upstile_authenticators LIMIT 3")]
    if others:
        raise ConfigurationError(
            f"this storage holds authenticators of {', '.join(others)}; for {issuer} they would never work, because"
            f" security keys and tokens are bound to the old name. Set url={others[0]!r} again, or name a new file in"
            " storage= and let everybody enrol anew, or say shared_storage=True where both are deployments of their own"
        )


def _knows(connection: sqlite3.Connection, table: str, issuer: str) -> bool:
    columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    if "issuer" not in columns:  # the signing keys of version 1 are nobody's
        return False
    query = f"SELECT 1 FROM {table} WHERE issuer = ? LIMIT 1"  # noqa: S608 - one of three names
    return connection.execute(query, (issuer,)).fetchone() is not None
