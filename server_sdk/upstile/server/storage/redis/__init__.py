"""One-time state in Redis, for a deployment of several nodes (extra `redis`)."""

from upstile.server.storage.redis._store import RedisStore

__all__ = ["RedisStore"]
