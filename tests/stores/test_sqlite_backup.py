"""Backup of an SQLite storage that is in use, and its restoration."""

import asyncio
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from support.stores import ISSUER, NOW, USER, Place, authenticator, enrol, go, key, rest, said, stop, use
from upstile.server import ConfigurationError
from upstile.server.storage.sqlite import SqliteStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place("sqlite", str(tmp_path / "state.db"))


async def _writing(place: Place) -> "subprocess.Popen[str]":
    (process,) = await asyncio.to_thread(place.started, 1, "pairs")
    go(process)
    for _ in range(20):
        await asyncio.to_thread(said, process)
    return process


async def test_a_backup_that_is_made_while_others_write_is_whole(place: Place, tmp_path: Path) -> None:
    async with place.opened() as storage:
        await enrol(storage, authenticator())
        assert await storage.durable.use(use(5))
    process = await _writing(place)
    backup = tmp_path / "backup.db"
    try:
        with closing(sqlite3.connect(place.address)) as source:
            source.execute("VACUUM INTO ?", (str(backup),))
        process.kill()
        await asyncio.to_thread(rest, process)
    finally:
        stop(process)
    backup.chmod(0o644)
    restored = SqliteStore(backup, ISSUER)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        await restored.prepare()
    backup.chmod(0o600)
    await restored.prepare()
    found = await restored.get_many([key("left"), key("right")], NOW)
    assert found[key("left")].value == found[key("right")].value
    assert (await restored.account(USER)).authenticators[0].counter == 5
    assert not await restored.use(use(5))
    assert await restored.use(use(6))
    await restored.aclose()
