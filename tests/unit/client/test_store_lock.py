"""The lock of a store: held by one, and by nobody who is dead."""

import signal
import subprocess
import sys
from pathlib import Path
from threading import Barrier, Thread
from time import monotonic
from typing import Any

import filelock
import pytest

from support.rooms import NAME, Room, file_store
from upstile.client import FileStore, StoreError
from upstile.client.stores import _folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def room(folder: Path) -> Room:
    return Room(file_store(folder))


def test_the_lock_does_not_follow_a_link(room: Room, folder: Path, tmp_path: Path) -> None:
    room.signed_in().close()
    victim = tmp_path / "victim"
    victim.write_text("mine")
    lock = folder / f"{NAME.digest}.lock"
    lock.unlink()
    lock.symlink_to(victim)
    with room.client() as bank, pytest.raises(StoreError, match="link"):
        bank.sign_out()
    assert victim.read_text() == "mine"


HOLDER = """
import sys, time
from pathlib import Path
from upstile.client import EntryName, FileStore
name = EntryName(api=sys.argv[2], issuer=sys.argv[2], client_id="cli", profile="default")
def hold(text):
    print("held", flush=True)
    time.sleep(600)
FileStore("pay", folder=Path(sys.argv[1])).change(name, hold)
"""


def test_a_lock_whose_holder_is_killed_is_free_within_a_second(
    room: Room, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.signed_in().close()
    command = [sys.executable, "-c", HOLDER, str(folder), NAME.api]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:  # noqa: S603
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        monkeypatch.setattr(_folder, "PATIENCE", 0.2)
        with room.client() as bank:
            assert bank.signed_in is not None  # reading waits for nobody
            with pytest.raises(StoreError, match="Another program keeps"):
                room.store.change(NAME, lambda text: text)
            holder.send_signal(signal.SIGKILL)
            holder.wait(10)
            monkeypatch.setattr(_folder, "PATIENCE", 10)
            began = monotonic()
            room.store.change(NAME, lambda text: text)
            assert monotonic() - began < 1


def test_a_lock_that_would_outlive_its_holder_is_not_used(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filelock, "FileLock", filelock.SoftFileLock)
    with pytest.raises(StoreError, match="cannot lock"):
        room.store.change(NAME, lambda text: "x")


@pytest.mark.parametrize("errno", [38])
def test_a_file_system_without_locks_is_said_so(room: Room, monkeypatch: pytest.MonkeyPatch, errno: int) -> None:
    def missing(*_: Any) -> None:
        raise OSError(errno, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", missing)
    with pytest.raises(StoreError, match="could not be used"):
        room.store.change(NAME, lambda text: "x")


def test_changes_by_many_at_once_are_all_there(room: Room, folder: Path) -> None:
    together, stores = Barrier(8), [file_store(folder) for _ in range(8)]

    def add(store: FileStore) -> None:
        together.wait(10)
        for _ in range(5):
            store.change(NAME, lambda text: (text or "") + "x")

    threads = [Thread(target=add, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert room.store.read(NAME) == "x" * 40
