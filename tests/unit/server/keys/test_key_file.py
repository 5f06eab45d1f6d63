"""The key file of a development server: many first starts at once, and what a crash left."""

import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from upstile.server import ConfigurationError
from upstile.server.keys._configured import find_seal
from upstile.server.keys._files import KeyFile
from upstile.server.keys._seal import Seal
from upstile.server.keys._secret_keys import new_key, read_key

BROKEN = [b"", new_key()[:20], b"\x00" * 44, b"\n"]
START = """
import sys
from pathlib import Path
from upstile.server.keys._files import KeyFile
sys.stdin.readline()
print(KeyFile(Path(sys.argv[1])).key(may_make=True).decode())
"""


def left(path: Path, content: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def files(directory: Path) -> Sequence[str]:
    return sorted(path.name for path in directory.iterdir())


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "bank.db.key"
    key = KeyFile(path).key(may_make=True)
    assert KeyFile(path).key(may_make=True) == KeyFile(path).key(may_make=False) == key
    assert read_key(key) is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert files(tmp_path) == ["bank.db.key"]


@pytest.mark.parametrize("content", [None, b""])
def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key"
    if content is not None:
        left(path, content)
    with ThreadPoolExecutor(4) as pool:
        started = [
            subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, "-c", START, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(4)
        ]
        keys = list(pool.map(lambda process: process.communicate("\n", timeout=60)[0].strip(), started))
    assert set(keys) == {path.read_text()}
    assert files(tmp_path) == ["key"]


@pytest.mark.parametrize("content", BROKEN)
def test_many_threads_mend_a_damaged_file_with_one_key(tmp_path: Path, content: bytes) -> None:
    for attempt in range(20):
        path = left(tmp_path / f"{attempt}", content)
        with ThreadPoolExecutor(8) as pool:
            keys = set(pool.map(lambda _, at=path: KeyFile(at).key(may_make=True), range(16)))
        assert keys == {path.read_bytes()}


def test_a_mending_that_was_cut_off_is_finished_with_its_own_key(tmp_path: Path) -> None:
    path, proposal = left(tmp_path / "key", b""), left(tmp_path / "key.new", new_key())
    agreed = proposal.read_bytes()
    assert KeyFile(path).key(may_make=True) == agreed == path.read_bytes()
    assert files(tmp_path) == ["key"]


@pytest.mark.parametrize("content", [None, *BROKEN])
def test_a_damaged_file_is_left_alone_once_something_is_sealed(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key"
    if content is not None:
        left(path, content)
    with pytest.raises(ConfigurationError, match=r"missing or damaged.*restore the file from a backup"):
        Seal(file=KeyFile(path)).load(anything_sealed=True)
    assert (path.read_bytes() if path.exists() else None) == content


def test_two_damaged_files_are_named(tmp_path: Path) -> None:
    path = left(tmp_path / "key", b"")
    left(tmp_path / "key.new", b"half")
    with pytest.raises(ConfigurationError, match=r"key and .*key.new are damaged"):
        KeyFile(path).key(may_make=True)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = left(tmp_path / "key", new_key())
    path.chmod(0o640)
    for may_make in (True, False):
        with pytest.raises(ConfigurationError, match=r"others can read the key file .*chmod 600"):
            KeyFile(path).key(may_make=may_make)


def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"can be neither read nor made .*UPSTILE_SECRET_KEYS"):
        KeyFile(tmp_path / "away" / "key").key(may_make=True)


def test_configuring_opens_nothing_and_a_seal_without_its_key_says_so(tmp_path: Path) -> None:
    seal = find_seal(None, tmp_path / "key")
    assert files(tmp_path) == []
    with pytest.raises(RuntimeError, match="before the deployment was prepared"):
        seal.close(b"", label="seed", bound=())
    seal.load(anything_sealed=False)
    assert seal.open(seal.close(b"x", label="seed", bound=()), label="seed", bound=()) == b"x"


def test_the_environment_counts_where_the_argument_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old, new = new_key().decode(), new_key().decode()
    monkeypatch.setenv("UPSTILE_SECRET_KEYS", f"  {new} {old}\n")
    assert find_seal(None, tmp_path / "key").names == Seal([new, old]).names
    assert find_seal([old], None).names == Seal([old]).names
    with pytest.raises(ConfigurationError, match="secret_keys is empty"):
        find_seal([], tmp_path / "key")
    monkeypatch.setenv("UPSTILE_SECRET_KEYS", " ")
    with pytest.raises(ConfigurationError, match=r"secret_keys is missing.*Make one with"):
        find_seal(None, None)


def test_a_key_file_is_never_shown(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "key")
    key = file.key(may_make=True).decode()
    assert key not in repr(file)
    assert os.fspath(tmp_path) in repr(file)
