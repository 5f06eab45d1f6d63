"""Everything in one PostgreSQL: durable and one-time state, for any number of processes and nodes."""

from upstile.server.storage.postgresql._store import PostgresStore

__all__ = ["PostgresStore"]
