"""The commands for keys, as an operator runs them."""

import re
import signal
import sqlite3

import pytest

from cli.conftest import SEEDS
from support.command import NEW, NOW, OLD, Folder
from upstile.server.keys._rotation import PUBLISHED_AHEAD, VERIFIES_AFTER
from upstile.server.keys._seal import Seal
from upstile.server.keys._secret_keys import new_key

OLD_NAME, NEW_NAME = Seal([OLD]).current, Seal([NEW]).current
BOTH = f"{NEW} {OLD}"


def rows(text: str) -> list[list[str]]:
    """The cells of what stands in tables, without the heads."""
    lines = (line.strip() for line in text.splitlines())
    return [re.split(r" {2,}", line) for line in lines if re.match(r"([0-9a-f]{16}|[A-Za-z0-9_-]{43})  ", line)]


def test_a_secret_key_is_retired_with_what_status_says(used: Folder) -> None:
    before = used.run("keys", "status", keys=BOTH)
    assert before.code == 0
    assert rows(before.out)[1:] == [
        [NEW_NAME, "seals and opens", "0", "0"],
        [OLD_NAME, "opens", "1", str(SEEDS)],
    ]
    assert f"{OLD_NAME} is still needed by {SEEDS + 1} values: run `upstile-server keys reseal`" in before.out
    done = used.run("keys", "reseal", keys=BOTH)
    assert (done.code, done.out) == (0, f"{SEEDS + 1} values were sealed anew, 0 needed nothing\n")
    assert "500 values looked at" in done.error
    after = used.run("keys", "status", keys=BOTH)
    assert f"{OLD_NAME} is needed by nothing: remove it from secret_keys" in after.out
    alone = used.run("keys", "status", keys=NEW)
    assert (alone.code, rows(alone.out)[1:]) == (0, [[NEW_NAME, "seals and opens", "1", str(SEEDS)]])
    assert used.run("keys", "rotate", keys=NEW).code == 0
    assert (used.path / "events.txt").read_text() == "secrets-resealed\nsigning-key-rotated\n"


@pytest.mark.long
def test_a_reseal_that_is_interrupted_says_so_and_goes_on_the_next_time(used: Folder) -> None:
    process = used.start("keys", "reseal", keys=BOTH)
    assert process.stderr is not None
    assert process.stderr.readline() == "500 values looked at, 500 sealed anew\n"
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert error == "upstile-server: stopped; what was done stays done, and running it again does the rest\n"
    again = used.run("keys", "reseal", keys=BOTH)
    [done, current] = [int(number) for number in re.findall(r"\d+", again.out)]
    assert current >= 500
    assert done + current == SEEDS + 1


def test_a_removed_secret_key_is_missed_by_name_and_nothing_is_opened(used: Folder) -> None:
    status = used.run("keys", "status", keys=NEW)
    assert status.code == 1
    assert rows(status.out)[-1] == [OLD_NAME, "MISSING", "1", str(SEEDS)]
    assert f"{OLD_NAME} is needed by {SEEDS + 1} values and is not configured: put it back" in status.out


@pytest.mark.long
def test_with_a_wrong_secret_key_a_reseal_leaves_everything_and_says_which_it_needs(used: Folder) -> None:
    done = used.run("keys", "reseal", keys=new_key().decode())
    assert done.code == 1
    assert done.out.startswith("0 values were sealed anew, 0 needed nothing\n")
    assert f"needs the secret key {OLD_NAME}, which is not among secret_keys: put that key back" in done.out
    assert f"and {SEEDS + 1 - 20} more" in done.out
    assert used.run("keys", "status").code == 0


@pytest.mark.long
def test_a_signing_key_is_rotated_once_and_status_follows_it(used: Folder) -> None:
    assert rows(used.run("keys", "status").out)[0][2] == "signs"
    published = rows(used.run("keys", "rotate").out)
    assert [row[2] for row in published] == ["published; signs from 2027-01-15 08:10 UTC", "signs"]
    again = used.run("keys", "rotate", at=NOW + 60)
    assert (again.code, rows(again.out)) == (0, published)
    assert "a new key waits for its turn already" in again.error
    later = rows(used.run("keys", "status", at=NOW + PUBLISHED_AHEAD).out)
    assert [row[2] for row in later[:2]] == ["signs", "verifies until 2027-01-15 21:10 UTC"]
    end = used.run("keys", "rotate", at=NOW + PUBLISHED_AHEAD + VERIFIES_AFTER)
    assert [row[0] for row in rows(end.out)][1:] == [published[0][0]]


def test_no_secret_is_ever_printed(used: Folder) -> None:
    database = sqlite3.connect(used.path / "bank.db")
    sealed = [value.hex() for (value,) in database.execute("SELECT sealed FROM upstile_signing_keys")]
    database.close()
    for command in (["keys", "status"], ["keys", "rotate"], ["keys", "reseal"]):
        done = used.run(*command, keys=BOTH)
        assert all(secret not in done.out + done.error for secret in (OLD, NEW, *sealed))


@pytest.mark.long
def test_a_storage_that_is_locked_is_told(used: Folder) -> None:
    database = sqlite3.connect(used.path / "bank.db", isolation_level=None)
    database.execute("PRAGMA locking_mode=EXCLUSIVE")
    database.execute("BEGIN EXCLUSIVE")
    try:
        assert "another process holds the database" in used.run("keys", "rotate").sentence(1)
    finally:
        database.close()


def test_a_storage_that_is_no_database_is_told(used: Folder) -> None:
    used.write("bank.db", "x" * 5000)
    assert "not an SQLite database" in used.run("keys", "status").sentence(1)


@pytest.mark.long
def test_a_storage_without_a_signing_key_is_told(folder: Folder) -> None:
    assert folder.run("db", "upgrade").code == 0
    status = folder.run("keys", "status")
    assert (status.code, "has no signing key yet" in status.out) == (0, True)
    for command in ("rotate", "reseal"):
        assert "the server makes the first when it starts" in folder.run("keys", command).sentence(1)
