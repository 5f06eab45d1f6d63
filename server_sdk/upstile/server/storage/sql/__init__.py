"""The rare durable operations, on SQLAlchemy Core: for SQLite and PostgreSQL alike."""

from upstile.server.storage._engine import postgresql_engine, sqlite_engine
from upstile.server.storage.sql._ledger import SqlLedger

__all__ = ["SqlLedger", "postgresql_engine", "sqlite_engine"]
