"""One transaction for one piece of work, and the locks that put such pieces in a row."""

import sqlite3
from collections.abc import Callable
from hashlib import sha256
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from upstile.protocol import UpstileError
from upstile.server._errors import CredentialTaken, StorageUnavailable
from upstile.server.storage._engine import BEGIN
from upstile.server.storage._meanings import meaning

T = TypeVar("T")
_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED", "55P03", "40P01")
"""How the codes of "somebody else holds it" begin; PostgreSQL's are a lock that was not given, and a deadlock."""


class Busy(StorageUnavailable):
    """Somebody else held for too long what was needed; it may be tried again."""


def lock_number(*names: str) -> int:
    """The number of PostgreSQL's advisory lock for these names: 64 bits of a hash."""
    digest = sha256("\x00".join(("upstile", *names)).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


SCHEMA_LOCK = lock_number("schema")
LOG_LOCK = lock_number("log")


def take_lock(connection: sa.Connection, number: int) -> None:
    """Wait for a lock that is held until the transaction ends; two seconds at most.

    It must be a statement of its own before the one that reads: a statement sees the data as they were when it began,
    so one that both locks and reads would read what was there before it waited.
    """
    if connection.dialect.name == "postgresql":  # an SQLite file has one writer at a time anyway
        connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def read(engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
    """Do some work that writes nothing; nobody waits for it."""
    return _run(engine, "DEFERRED", work)


def write(engine: sa.Engine, work: Callable[[sa.Connection], T], lock: int | None = None) -> T:
    """Do some work in one transaction.

    Args:
        engine: from `_engine`.
        work: what to do; without a lock, others may do theirs meanwhile, except on SQLite.
        lock: the number of a lock to hold meanwhile.

    Raises:
        Busy: somebody else held the lock, or the file.
        CredentialTaken: a credential is enrolled already.
        StorageUnavailable: the database cannot be reached, or refused.
    """

    def locked(connection: sa.Connection) -> T:
        if lock is not None:
            take_lock(connection, lock)
        return work(connection)

    return _run(engine, "IMMEDIATE", locked)


def _run(engine: sa.Engine, begin: str, work: Callable[[sa.Connection], T]) -> T:
    try:
        with engine.connect() as connection:
            connection.execution_options(**{BEGIN: begin})
            with connection.begin():
                return work(connection)
    except (SQLAlchemyError, UnicodeError) as error:
        failure = refusal(error)
    # Raised out here, so that the driver's error is not even its context: PostgreSQL quotes values in its own.
    raise failure


def refusal(error: Exception) -> UpstileError:
    """What an error of the database means for us, without any of its text."""
    if isinstance(error, IntegrityError) and "credential_id" in str(error.orig):
        return CredentialTaken("this credential is enrolled already")
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
    if str(code).startswith(_BUSY):
        return Busy(f"another process holds the database: {code}")
    if isinstance(cause, sqlite3.Error):
        return meaning(cause)
    name = f"{type(cause).__name__} ({code})" if code else type(cause).__name__
    return StorageUnavailable(f"the database refused: {name}")
