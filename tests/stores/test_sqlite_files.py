"""Files that cannot be used, or not safely: each is refused with a sentence that says what to do."""

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from support.preload import NO_LOCKS, compiled
from support.stores import ISSUER, NOW, USER, authenticator, enrol, increment, key, live, put
from upstile.server import ConfigurationError, StorageUnavailable
from upstile.server.storage.sqlite import SqliteStore

pytestmark = pytest.mark.anyio
_ROOT = Path(__file__).parents[2]
OPENS = """
import asyncio, os, sys, tempfile
from upstile.server.storage.sqlite import SqliteStore
async def attempt(path):
    store = SqliteStore(path, "https://as.example")
    await store.prepare()
    await store.aclose()
with tempfile.TemporaryDirectory() as folder:  # imports what is imported late: another user may not read it
    if len(sys.argv) > 2:
        asyncio.run(attempt(folder + "/s.db"))
if len(sys.argv) > 2:
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
try:
    asyncio.run(attempt(sys.argv[1]))
    print("opened")
except Exception as error:
    print(type(error).__name__, error)
"""
NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


async def _opened(path: Path, issuer: str = ISSUER, *, allow_group_files: bool = False) -> SqliteStore:
    store = SqliteStore(path, issuer, allow_group_files=allow_group_files)
    await store.prepare()
    return store


async def _refusal(path: Path, *, allow_group_files: bool = False) -> str:
    with pytest.raises(ConfigurationError) as caught:
        await _opened(path, allow_group_files=allow_group_files)
    return str(caught.value)


def _modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
async def test_all_files_are_made_for_their_owner_whatever_the_umask(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = await _opened(path)
        await enrol(store, authenticator())
        await increment(store, "counter")
        assert len(list(path.parent.iterdir())) == 3
        assert _modes(path.parent) == {0o600}
    finally:
        os.umask(before)
    await store.aclose()


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666])
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", ".key"])
async def test_a_file_that_others_can_read_or_write_is_refused(path: Path, mode: int, suffix: str) -> None:
    if suffix:
        path.touch(0o600)
    open_to_all = path.with_name(path.name + suffix)
    open_to_all.touch()
    open_to_all.chmod(mode)
    said = await _refusal(path)
    assert f"chmod 600 '{open_to_all}'" in said
    assert "every user of this machine" in said


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o660])
async def test_a_group_reads_the_file_only_where_that_is_said(path: Path, mode: int) -> None:
    path.touch()
    path.chmod(mode)
    assert "allow_group_files=True" in await _refusal(path)
    store = await _opened(path, allow_group_files=True)
    await increment(store, "counter")
    await store.aclose()
    assert _modes(path.parent) == {mode}


async def test_new_files_of_a_group_are_the_groups(path: Path) -> None:
    store = await _opened(path, allow_group_files=True)
    assert _modes(path.parent) == {0o660}
    await store.aclose()
    path.chmod(0o664)
    assert "every user of this machine" in await _refusal(path, allow_group_files=True)


async def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    assert f"the folder '{tmp_path / 'missing'}' is missing: make it" in await _refusal(tmp_path / "missing" / "s.db")


async def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "is a folder: name a file" in await _refusal(tmp_path)


@pytest.mark.parametrize("text", [b"hello, this is no database at all", b"SQLite format 3\x00" + b"\xff" * 4000])
async def test_a_file_that_is_no_database_is_left_alone(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    path.chmod(0o600)
    said = await _refusal(path)
    assert "not an SQLite database" in said
    assert str(path) in said
    assert path.read_bytes() == text


async def test_a_damaged_file_is_unavailable_and_says_what_to_do(path: Path) -> None:
    store = await _opened(path)
    await put(store, {key(f"{n}"): live(bytes(500)) for n in range(50)})
    await store.aclose()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(StorageUnavailable, match="restore a backup"):
        await (await _opened(path)).get_many([key("1")], NOW)


async def test_a_full_disk_refuses_writes_and_works_again_when_there_is_room(path: Path) -> None:
    store = await _opened(path)
    connection = store._here().phases._connection
    assert connection is not None
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={pages + 2}")
    await put(store, {key("before"): live()})
    with pytest.raises(StorageUnavailable, match="the disk is full, or the file has reached its limit: free some"):
        await put(store, {key("a"): live(b"a"), key("big"): live(bytes(100_000))})
    assert await store.get_many([key("a"), key("big"), key("before")], NOW) == {key("before"): live()}
    connection.execute("PRAGMA max_page_count=1000000")
    await put(store, {key("big"): live(bytes(100_000))})
    await store.aclose()


async def test_what_somebody_else_made_of_the_file_name_is_left_alone(path: Path) -> None:
    """The application keeps its own tables in the same file."""
    application = sqlite3.connect(path, isolation_level=None)
    application.execute("CREATE TABLE orders (n)")
    path.chmod(0o600)
    store = await _opened(path)
    application.execute("INSERT INTO orders VALUES (1)")
    await increment(store, "counter")
    await store.aclose()
    assert application.execute("SELECT n FROM orders").fetchall() == [(1,)]
    application.close()


@pytest.mark.skipif(os.name != "posix", reason="another user is needed")
@pytest.mark.parametrize(("folder_mode", "file_mode"), [(0o555, None), (0o555, 0o600), (0o777, 0o400)])
def test_what_this_user_may_not_write_is_refused(folder_mode: int, file_mode: int | None) -> None:
    said = _as_another_user(folder_mode, file_mode)
    assert said.startswith(("ConfigurationError", "StorageUnavailable"))
    assert "write" in said or "read-only" in said


def _as_another_user(folder_mode: int, file_mode: int | None) -> str:
    """What a process says that may not do everything: root may, so where we are root it becomes another user."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "data"
        folder.mkdir()
        if file_mode is not None:
            (folder / "s.db").touch()
            (folder / "s.db").chmod(file_mode)
        user = [str(NOBODY)] if os.getuid() == 0 else []
        if user:
            for path in (Path(made), folder, *folder.iterdir()):
                os.chown(path, NOBODY, NOBODY)
        folder.chmod(folder_mode)
        said = _said([str(folder / "s.db"), *user])
        folder.chmod(0o755)
    return said


def _said(arguments: list[str], **environment: str) -> str:
    command = [sys.executable, "-c", OPENS, *arguments]
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=False, cwd=_ROOT, env={**os.environ, **environment}, timeout=60
    )
    return done.stdout + done.stderr


def test_a_file_system_without_locks_is_refused_at_once(tmp_path: Path) -> None:
    """Such as a network share: a library that is loaded first answers what its `fcntl` answers."""
    library = compiled(NO_LOCKS, tmp_path)
    (tmp_path / "data").mkdir()
    said = _said([str(tmp_path / "data" / "s.db")], LD_PRELOAD=str(library))
    assert said.startswith("ConfigurationError")
    assert "on a local disk" in said


async def test_a_file_that_knows_only_another_issuer_is_refused_with_the_way_out(path: Path) -> None:
    other = "https://new.example"
    theirs = await _opened(path, other)  # before anybody is enrolled, nobody loses anything
    await theirs.aclose()
    ours = await _opened(path)
    await enrol(ours, authenticator())
    await ours.aclose()
    with pytest.raises(ConfigurationError) as caught:
        await _opened(path, other)
    assert "authenticators of https://as.example" in str(caught.value)
    assert "Set url='https://as.example' again, or name a new file" in str(caught.value)
    ours = await _opened(path)
    assert len((await ours.account(USER)).authenticators) == 1
    await ours.aclose()
