"""What the tests of `RedisStore` share."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hashlib import sha256

from support.redis_server import RedisServer
from support.stores import ISSUER, NOW
from upstile.server.storage._records import OneTimeKey, Record
from upstile.server.storage._stores import use_once
from upstile.server.storage.redis import RedisStore


@asynccontextmanager
async def opened(url: str, issuer: str = ISSUER, **options: int | float) -> AsyncGenerator[RedisStore]:
    """A store, prepared, for the length of a block."""
    store = RedisStore(url, issuer, **options)  # type: ignore[arg-type]
    await store.prepare()
    try:
        yield store
    finally:
        await store.aclose()


def name_in_redis(key: str, issuer: str = ISSUER) -> str:
    """Under which name Redis has a key."""
    return f"{{upstile:{sha256(issuer.encode()).hexdigest()[:16]}}}:{key}"


def whole_life(server: RedisServer, key: OneTimeKey) -> float:
    """For how long Redis still keeps a key (seconds)."""
    return float(server.do("PTTL", name_in_redis(key))) / 1000


async def first_use(store: RedisStore, key: OneTimeKey, now: float = NOW) -> bool:
    """Whether nobody has used this key before."""
    return await use_once(store, [key], NOW + 60, now) is None


def used() -> Record:
    """A record that means "used", for a minute from `NOW` on."""
    return Record(value=b"", expires_at=NOW + 60, used=True)
