"""The commands for the schema, on an SQLite file and on PostgreSQL."""

import socket
import sqlite3

import pytest

from support.command import Folder
from upstile.server.storage.schema import HEAD

FITS = f"version {HEAD} of the schema: this release works on it\n"


@pytest.mark.long
def test_a_file_is_made_by_upgrade_and_by_nothing_else(folder: Folder) -> None:
    assert "there is no file" in folder.run("db", "check").sentence(1)
    assert folder.files() == ["bank.py"]
    assert folder.run("db", "upgrade").code == 0
    assert folder.run("db", "check").out == FITS
    assert folder.run("db", "upgrade").code == 0


@pytest.mark.long
def test_a_schema_of_a_later_release_is_refused_by_all_commands(folder: Folder) -> None:
    assert folder.run("db", "upgrade").code == 0
    database = sqlite3.connect(folder.path / "bank.db")
    with database:
        database.execute("UPDATE upstile_schema SET version_num = '99'")
    database.close()
    for command in (["db", "check"], ["db", "upgrade"], ["keys", "reseal"]):
        assert "version 99 of the schema, and this release knows" in folder.run(*command).sentence(1)


@pytest.mark.long
def test_an_empty_postgresql_is_told_and_then_upgraded(folder: Folder, postgres_url: str) -> None:
    folder.storage = postgres_url
    for command in (["db", "check"], ["keys", "status"]):
        assert "the database is empty: run `upstile-server db upgrade`" in folder.run(*command).sentence(1)
    assert f"version {HEAD} of the schema" in folder.run("db", "upgrade").out
    assert folder.run("db", "check").out == FITS
    status = folder.run("keys", "status")
    assert (status.code, "has no signing key yet" in status.out) == (0, True)


@pytest.mark.parametrize("command", [["db", "upgrade"], ["keys", "rotate"]])
def test_a_database_that_is_away_is_told_without_its_password(folder: Folder, command: list[str]) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        folder.storage = f"postgresql://bank:pa55word@127.0.0.1:{taken.getsockname()[1]}/bank"
        sentence = folder.run(*command).sentence(1)
    assert "pa55word" not in sentence
    assert len(sentence) > len("upstile-server: ") + 20
    assert "Traceback" not in sentence
