"""Everything in one SQLite file: the embedded default, for one machine; and, for tests, in memory."""

from upstile.server.storage.sqlite._memory import MemoryStore
from upstile.server.storage.sqlite._store import SqliteStore

__all__ = ["MemoryStore", "SqliteStore"]
