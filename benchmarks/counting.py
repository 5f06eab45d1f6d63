"""What a step-up, and a user, ask of storage, counted on real stores.

A step-up is a start, an answer with a TOTP code and a token, by an app whose key is known. The background thread is
stopped, so that nothing but step-ups is counted.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import redis

from benchmarks.ceremony import URL, CeremonyApp, run_all
from upstile.server.authorization.user._budgets import KNOWN_KEYS, remember_key
from upstile.server.authorization.user._user_state import UserState
from upstile.server.storage import AuthenticatorRecord, User
from upstile.server.storage.postgresql._link import Link
from upstile.server.storage.redis import RedisStore
from upstile.server.storage.sqlite import SqliteStore

_USED = (
    "SELECT 1.0 * sum(CASE WHEN kept_until > expires_at THEN length(value) + 120 END) / sum(length(value) + 120)"
    " FROM upstile_one_time WHERE key NOT LIKE 'user:%' AND key NOT LIKE 'login:%'"
)

WARM, STEP_UPS, USERS, LOGINS = 20, 200, 300, 300


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What was counted; `None` where a storage has no such thing. All are for one step-up, but `user`.

    Attributes:
        transactions, statements: of the database.
        messages: to PostgreSQL and back; each is a round trip.
        trips: to Redis and back.
        log: bytes that the database writes ahead.
        kept: bytes that stay until what they say has ended: a minute, five, or an hour.
        hour: those of them that stay for an hour, because they mean "used"; by the length of the rows.
        redis: bytes that Redis keeps likewise.
        user: bytes of a user with one TOTP app and eight known keys.
        redis_user: those of them that Redis keeps.
        login: bytes of a base login, wherever it is kept.
    """

    transactions: float
    statements: float
    messages: float | None = None
    trips: float | None = None
    log: float
    kept: float
    hour: float | None = None
    redis: float | None = None
    user: float
    redis_user: float | None = None
    login: float


@dataclass(frozen=True)
class Gauges:
    """How a database is read.

    Attributes:
        log: bytes that it has written ahead.
        kept: bytes that it keeps.
        used: which share of its one-time rows, those of users and logins left out, means "used".
        redis: bytes that the Redis beside it keeps.
    """

    log: Callable[[], int]
    kept: Callable[[], int]
    used: Callable[[], float]
    redis: Callable[[], int] | None = None


def sqlite_gauges(path: Path) -> Gauges:
    """Those of a file. To read what it keeps copies the log into it, and the log begins anew."""

    def kept() -> int:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return path.stat().st_size

    def used() -> float:
        with closing(sqlite3.connect(path)) as connection:
            return float(connection.execute(_USED).fetchone()[0] or 0)

    return Gauges(lambda: path.with_name(path.name + "-wal").stat().st_size, kept, used)


def postgresql_gauges(url: str, redis_url: str | None = None) -> Gauges:
    """Those of a database, and of a Redis beside it."""

    def ask(query: str) -> float:
        with psycopg.connect(url, autocommit=True) as connection:
            row = connection.execute(query.encode()).fetchone()
        return float(row[0] or 0) if row else 0

    def cached() -> int:
        with redis.Redis.from_url(str(redis_url)) as client:
            info: Any = client.info("memory")
        return int(info["used_memory"])

    tables = (
        "SELECT sum(pg_total_relation_size(oid)) FROM pg_class"
        " WHERE relname LIKE 'upstile%' AND relkind = 'r' AND relnamespace = current_schema()::regnamespace"
    )
    log = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"
    redis_gauge = None if redis_url is None else cached
    return Gauges(lambda: int(ask(log)), lambda: int(ask(tables)), lambda: ask(_USED), redis_gauge)


def count(app: CeremonyApp, gauges: Gauges, runner: asyncio.Runner) -> Counted:
    """Count what happens in `STEP_UPS` step-ups, and what `USERS` users need."""
    deployment = app.server._deployment
    runner.run(app.enroll())
    deployment._keepers[0].stop()
    runner.run(run_all([app.prepared() for _ in range(WARM)]))
    due = [app.prepared() for _ in range(STEP_UPS)]
    kept, cached, log = gauges.kept(), _redis(gauges), gauges.log()
    with _Listening(app) as heard:
        runner.run(run_all(due))
    log_after, kept_after, cached_after = gauges.log(), gauges.kept(), _redis(gauges)
    hour = gauges.used() * (kept_after - kept) / STEP_UPS
    runner.run(_enrol_many(app))
    with_users, cached_with_users = gauges.kept(), _redis(gauges)
    runner.run(_sign_in_many(app))
    login = gauges.kept() - with_users + _redis(gauges) - cached_with_users
    both = gauges.redis is not None
    return Counted(
        transactions=heard.transactions / STEP_UPS,
        statements=heard.statements / STEP_UPS,
        messages=heard.messages / STEP_UPS if heard.messages else None,
        trips=heard.trips / STEP_UPS if both else None,
        log=(log_after - log) / STEP_UPS,
        kept=(kept_after - kept) / STEP_UPS,
        hour=hour or None,
        redis=(cached_after - cached) / STEP_UPS if both else None,
        user=(with_users - kept_after) / USERS,
        redis_user=(cached_with_users - cached_after) / USERS if both else None,
        login=login / LOGINS,
    )


class _Listening:
    """Counts what goes to the stores of an app, for the length of a block."""

    def __init__(self, app: CeremonyApp) -> None:
        storage = app.server._deployment.own.storage
        self._redis = storage.one_time if isinstance(storage.one_time, RedisStore) else None
        self._phases: Any = storage.durable._phases() if isinstance(storage.durable, SqliteStore) else None
        self.transactions = self.statements = self.messages = self.trips = 0
        self._ask = Link.ask

    def __enter__(self) -> "_Listening":
        if self._phases is not None:
            self._phases._connection.set_trace_callback(self._note)
        before = self._ask

        async def ask(link: Link, *statements: str) -> Any:
            self.messages += 1
            self._note("; ".join(statements))
            return await before(link, *statements)

        Link.ask = ask  # type: ignore[method-assign, assignment]
        self.trips = -self._redis.round_trips if self._redis else 0
        return self

    def __exit__(self, *_: object) -> None:
        if self._phases is not None:
            self._phases._connection.set_trace_callback(None)
        Link.ask = self._ask  # type: ignore[method-assign]
        self.trips += self._redis.round_trips if self._redis else 0

    def _note(self, statements: str) -> None:
        each = statements.split("; ")  # a value has no blank after a semicolon
        self.statements += len(each)
        self.transactions += sum(statement.startswith("BEGIN") for statement in each)


async def _enrol_many(app: CeremonyApp) -> None:
    """Users as ours is, each with eight known keys."""
    deployment, now = app.server._deployment, app.now
    durable, one_time = deployment.own.storage.durable, deployment.own.storage.one_time
    (pattern,) = (await durable.account(User(URL, "ada"))).authenticators
    state = UserState()
    for number in range(KNOWN_KEYS):
        state = remember_key(state, f"{number:043}", [pattern.id], now)

    async def enrol(number: int) -> None:
        user, own = User(URL, f"user-{number:020}"), replace(pattern, id=f"{number:022}")
        await durable.change_account(user, _with(own))
        key = deployment.own.names("user", user.subject)
        await one_time.update_many([key], lambda _: ({key: state.record(now)}, None), now)

    for number in range(USERS):
        await enrol(number)


async def _sign_in_many(app: CeremonyApp) -> None:
    for number in range(LOGINS):
        await app.server.start_session(f"user-{number:020}", amr=["pwd"], account="ada@example.com")


def _with(own: AuthenticatorRecord) -> Callable[[Any], Any]:
    return lambda account: (replace(account, authenticators=(own,)), None)


def _redis(gauges: Gauges) -> int:
    return gauges.redis() if gauges.redis is not None else 0
