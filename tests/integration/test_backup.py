"""Backup and restore of a deployment, as docs/operating.md says it: on a real file and a real PostgreSQL."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from examples.bank.api import create_app
from support.postgres import PostgresServer
from support.wire_driver import URL, SettableClock, Started, WireApp, heard
from upstile.server.keys._secret_keys import new_key
from upstile.server.storage._engine import postgresql_engine, sqlite_engine

pytestmark = pytest.mark.anyio


class File:
    """A deployment on an SQLite file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / "bank.db"

    @property
    def storage(self) -> str:
        """Where it keeps everything."""
        return f"sqlite:///{self.path}"

    def back_up(self) -> None:
        """While it is in use."""
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("VACUUM INTO ?", (str(self._folder / "backup.db"),))

    def restore(self) -> None:
        """Into the same place, where a node was killed and has left its log."""
        for name in ("bank.db", "bank.db-wal", "bank.db-shm"):
            (self._folder / name).unlink(missing_ok=True)
        self.path.touch(0o600)
        self.path.write_bytes((self._folder / "backup.db").read_bytes())

    def engine(self) -> sa.Engine:
        """To look into it."""
        return sqlite_engine(str(self.path))


class Database:
    """A deployment on a PostgreSQL database."""

    def __init__(self, folder: Path, server: PostgresServer) -> None:
        self._dump = str(folder / "backup.dump")
        self._server = server
        self.storage = server.new_database()

    def back_up(self) -> None:
        """While it is in use."""
        self._server.run("pg_dump", "--format=custom", f"--file={self._dump}", self.storage)

    def restore(self) -> None:
        """Into an empty database."""
        self.storage = self._server.new_database()
        self._server.run("pg_restore", "--exit-on-error", f"--dbname={self.storage}", self._dump)

    def engine(self) -> sa.Engine:
        """To look into it."""
        return postgresql_engine(self.storage)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> File | Database:
    """A deployment's storage, and its secret key."""
    monkeypatch.setenv("UPSTILE_SECRET_KEYS", new_key().decode())
    if request.param == "sqlite":
        return File(tmp_path)
    return Database(tmp_path, request.getfixturevalue("postgres"))


@asynccontextmanager
async def node(place: File | Database, app: WireApp | None = None) -> AsyncGenerator[WireApp]:
    """A node of the bank, and the app that speaks to it: a new one, or one that spoke to another node before."""
    clock = SettableClock() if app is None else app.clock
    bank = create_app(url=URL, storage=place.storage, clock=clock)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(bank), base_url=URL)
    async with bank.router.lifespan_context(bank), http:
        yield WireApp(http, clock) if app is None else replace(app, http=http)


async def test_a_backup_made_during_step_ups_works_elsewhere_and_takes_no_used_code(place: File | Database) -> None:
    async with node(place) as app:
        await app.sign_in()
        assert (await app.enroll_totp()).status_code == 200
        used, used_at = app.code(), app.clock.now
        await app.elevate()
        backup = asyncio.create_task(asyncio.to_thread(place.back_up))
        while not backup.done():
            app.clock.now += 60  # ten starts in ten minutes
            await app.sign_in()
            await app.elevate()
        await backup
        last = app.clock.now
    place.restore()
    async with node(place, app) as restored:
        restored.clock.now = used_at
        await restored.sign_in()
        assert not await _is_right(restored, await restored.start(), used)
        restored.clock.now = last + 60
        await restored.sign_in()
        assert await _is_right(restored, await restored.start(), restored.code())


async def test_yesterdays_backup_knows_nothing_of_what_ended_since_and_ends_it_again(place: File | Database) -> None:
    async with node(place) as app:
        await app.sign_in()
        assert (await app.enroll_totp()).status_code == 200
        other = WireApp(app.http, app.clock)
        await other.sign_in()
        await _sign_in_and_out(app)
        place.back_up()
        before = _last_number(place)
        for _ in range(3):
            await _sign_in_and_out(app)
        await _revoke(other, other.token)
        assert (await other.call("GET", "/balance")).status_code == 401
        assert _last_number(place) > before
    place.restore()
    assert _last_number(place) == before
    async with node(place, app) as first, node(place, app) as second:
        assert await _is_right(first, await first.start(), first.code())
        there = replace(other, http=first.http)
        elsewhere = replace(other, http=second.http)
        assert (await elsewhere.call("GET", "/balance")).status_code == 200  # the sign-out is forgotten
        await _revoke(there, there.token)
        assert before < _last_number(place) <= before + 1
        await heard(elsewhere)


async def test_without_its_signing_keys_a_restored_storage_takes_no_token_of_before(place: File | Database) -> None:
    async with node(place) as app:
        await app.sign_in()
        assert (await app.enroll_totp()).status_code == 200
        place.back_up()
    place.restore()
    engine = place.engine()
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM upstile_signing_keys"))
    engine.dispose()
    async with node(place, app) as restored:
        assert (await restored.call("GET", "/balance")).status_code == 401
        await restored.sign_in()
        assert await _is_right(restored, await restored.start(), restored.code())


async def _is_right(app: WireApp, started: Started, code: str) -> bool:
    """Whether a code is accepted; if so it goes on to a token."""
    assert started.reply.status_code == 403, started.reply.text
    reply = await app.answer(started, otp=code)
    if reply.status_code != 200:
        assert reply.json()["result"] == "rejected", reply.text
        return False
    return (await app.redeem(started, reply.json()["authorization_code"])).status_code == 200


async def _sign_in_and_out(app: WireApp) -> None:
    leaving = WireApp(app.http, app.clock)
    await leaving.sign_in()
    await _revoke(leaving, leaving.token)


async def _revoke(app: WireApp, token: str) -> None:
    assert (await app.post("/stepup/revoke", {"token": token, "client_id": app.client_id})).status_code == 200


def _last_number(place: File | Database) -> int:
    """The highest number of the log."""
    engine = place.engine()
    with engine.begin() as connection:
        number = connection.execute(sa.text("SELECT max(number) FROM upstile_revocations")).scalar()
    engine.dispose()
    return int(number or 0)
