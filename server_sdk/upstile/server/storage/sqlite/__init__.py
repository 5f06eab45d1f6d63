"""Everything in one SQLite file: the embedded default, for one machine."""

from upstile.server.storage.sqlite._store import SqliteStore

__all__ = ["SqliteStore"]
