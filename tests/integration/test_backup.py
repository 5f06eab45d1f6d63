"""Backup and restore of a deployment, as docs/operating.md says it: on a real file and a real PostgreSQL."""

import asyncio
import os
import re
import sqlite3
import subprocess
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

DOCUMENT = Path(__file__).parents[2] / "docs" / "operating.md"
pytestmark = pytest.mark.anyio


class File:
    """A deployment on an SQLite file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / "stepup.db"

    @property
    def storage(self) -> str:
        """Where it keeps everything."""
        return f"sqlite:///{self.path}"

    def back_up(self) -> None:
        """While it is in use."""
        _do("sqlite: back up", self._folder)

    def restore(self) -> None:
        """Into the same place."""
        _do("sqlite: restore", self._folder)

    def engine(self) -> sa.Engine:
        """To look into it."""
        return sqlite_engine(str(self.path))


class Database:
    """A deployment on a PostgreSQL database."""

    def __init__(self, folder: Path, server: PostgresServer) -> None:
        self._folder = folder
        self._server = server
        self.storage = server.new_database()

    def back_up(self) -> None:
        """While it is in use."""
        _do("postgresql: back up", self._folder, self.storage, self._server.binaries)

    def restore(self) -> None:
        """Into an empty database."""
        self.storage = self._server.new_database()
        _do("postgresql: restore", self._folder, self.storage, self._server.binaries)

    def engine(self) -> sa.Engine:
        """To look into it."""
        return postgresql_engine(self.storage)


def _do(name: str, folder: Path, storage: str = "", binaries: Path = Path("/usr/bin")) -> None:
    """What the document says."""
    block = re.search(rf"<!-- {name} -->\n```sh\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert block is not None, name
    environment = {**os.environ, "BANK_STORAGE": storage, "PATH": f"{binaries}:{os.environ['PATH']}"}
    subprocess.run(["/bin/sh", "-euc", block[1]], cwd=folder, env=environment, check=True)  # noqa: S603


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


async def test_the_log_that_a_killed_node_left_is_not_read_into_the_restored_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTILE_SECRET_KEYS", new_key().decode())
    file = File(tmp_path)
    async with node(file) as app:
        await app.sign_in()
        file.back_up()
        await _sign_in_and_out(app)
        log = tmp_path / "stepup.db-wal"
        left = log.read_bytes()
    log.write_bytes(left)
    file.restore()
    assert _content(file.path) == _content(tmp_path / "backup.db")


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


def _content(path: Path) -> list[str]:
    """All that a file holds."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return list(connection.iterdump())


def _last_number(place: File | Database) -> int:
    """The highest number of the log."""
    engine = place.engine()
    with engine.begin() as connection:
        number = connection.execute(sa.text("SELECT max(number) FROM upstile_revocations")).scalar()
    engine.dispose()
    return int(number or 0)
