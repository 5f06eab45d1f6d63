"""The rare durable operations, on SQLAlchemy Core: for SQLite and PostgreSQL alike."""

from upstile.server.storage._engine import postgresql_engine, sqlite_engine
from upstile.server.storage.sql._ledger import SqlLedger
from upstile.server.storage.sql._notices import SqlNotices

__all__ = ["SqlLedger", "SqlNotices", "postgresql_engine", "sqlite_engine"]
