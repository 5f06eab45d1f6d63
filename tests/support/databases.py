"""PostgreSQL as the stores' tests need it: stores of one database, what holds a lock, a bad network in front of it."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from support.proxy import Proxy, proxy_to
from support.stores import ISSUER
from upstile.server.storage._records import OneTimeKey
from upstile.server.storage._transactions import lock_number
from upstile.server.storage.postgresql import PostgresStore


@asynccontextmanager
async def opened(url: str, issuer: str = ISSUER, **options: Any) -> AsyncGenerator[PostgresStore]:
    """A store, for the length of a block."""
    store = PostgresStore(url, issuer, **options)
    await store.prepare()
    try:
        yield store
    finally:
        await store.aclose()


@contextmanager
def proxied(url: str) -> Generator[tuple[Proxy, str]]:
    """A proxy in front of the server of a database, and the URL of the database behind it."""
    named = conninfo_to_dict(url)
    with proxy_to(f"{named['host']}/.s.PGSQL.5432") as proxy:
        yield proxy, f"postgresql://{named['user']}@127.0.0.1:{proxy.port}/{named['dbname']}"


@contextmanager
def locked(url: str, key: OneTimeKey) -> Generator[None]:
    """Somebody else is changing a record, for the length of a block."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [lock_number("one-time", key)])
        yield


def database_of(url: str) -> str:
    """The name of a database."""
    return str(conninfo_to_dict(url)["dbname"])


def execute(url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Do something in a database as its owner."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []


def waiting(url: str) -> int:
    """How many wait for an advisory lock of this database."""
    query = (
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        " WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
    )
    return int(execute(url, query)[0][0])


async def until_it_waits(url: str, work: "asyncio.Future[Any]") -> None:
    """Until some work waits for an advisory lock, which it must."""
    while not await asyncio.to_thread(waiting, url):
        assert not work.done()


def hang_up_all(url: str) -> None:
    """End every other connection to a database, as a restart of the server does."""
    execute(
        url,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
