"""A store of files under attack, and in trouble: a clear error, and nothing lost."""

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from stat import S_IMODE
from typing import Any

import platformdirs
import pytest

from support.rooms import NAME, Room, file_of, file_store
from upstile.client import Client, ConfigurationError, EntryName, FileStore, StoreError

OTHER = EntryName(api=NAME.api, issuer=NAME.issuer, client_id=NAME.client_id, profile="work")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def room(folder: Path) -> Room:
    return Room(file_store(folder))


def test_a_sign_in_is_there_in_the_next_process(room: Room) -> None:
    room.signed_in().close()
    with room.client() as bank:
        signed_in = bank.signed_in
        assert signed_in is not None
        assert (signed_in.subject, signed_in.bound, signed_in.expires) == ("ada", True, room.desk.clock() + 3600)
        bank.post("/transfers")
    login, first, *_ = room.desk.at("call")
    assert first.headers["authorization"] == "DPoP BASE-SECRET"
    assert first.jkt == login.jkt


def test_folder_and_file_are_their_owners_alone_whatever_the_umask(room: Room, folder: Path) -> None:
    before = os.umask(0)
    try:
        room.signed_in().close()
    finally:
        os.umask(before)
    modes = {path.suffix: S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {"": 0o700, ".json": 0o600, ".lock": 0o600}


def test_it_lies_where_the_system_keeps_the_state_of_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platformdirs, "user_state_path", lambda app, appauthor: tmp_path / app)
    assert FileStore("pay").where(NAME).startswith(str(tmp_path / "pay" / "upstile"))


@pytest.mark.parametrize("app", ["", "..", "a/b", "../x", "a\0", "-x", "é", "x" * 65])
def test_a_name_that_leads_elsewhere_names_no_app(app: str) -> None:
    with pytest.raises(ConfigurationError):
        FileStore(app)


def _to_a_link(file: Path, elsewhere: Path) -> None:
    file.rename(elsewhere)
    file.symlink_to(elsewhere)


def _to_a_folder(file: Path, elsewhere: Path) -> None:
    file.unlink()
    file.mkdir()


def _to_a_pipe(file: Path, elsewhere: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


ATTACKS: dict[str, tuple[Callable[[Path, Path], Any], str]] = {
    "a link": (_to_a_link, "is a link"),
    "a folder": (_to_a_folder, "is not what it should be"),
    "a pipe that never ends": (_to_a_pipe, "is not what it should be"),
    "readable by others": (lambda file, _: file.chmod(0o604), "is open to other users"),
    "writable by a group": (lambda file, _: file.chmod(0o620), "is open to other users"),
    "in a folder open to others": (lambda file, _: file.parent.chmod(0o755), "is open to other users"),
    "in a folder that is a link": (lambda file, elsewhere: _to_a_link(file.parent, elsewhere), "is no folder"),
}


@pytest.mark.parametrize(("attack", "said"), ATTACKS.values(), ids=ATTACKS)
def test_what_somebody_put_there_is_neither_read_nor_replaced(
    room: Room, folder: Path, tmp_path: Path, attack: Callable[[Path, Path], Any], said: str
) -> None:
    room.signed_in().close()
    attack(file_of(folder), tmp_path / "elsewhere")
    seen = len(room.desk.sent)
    with room.client() as bank:
        for act in (bank.sign_out, lambda: bank.post("/transfers"), lambda: bank.sign_in("/login", json={})):
            with pytest.raises(StoreError, match=said) as caught:
                act()
            assert "SECRET" not in caught.value.diagnostics()
            assert caught.value.next_step
    assert len(room.desk.sent) == seen  # no password went out


def test_a_file_of_another_user_is_not_read(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.signed_in().close()
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    with room.client() as bank, pytest.raises(StoreError, match="belongs to another user"):
        bank.post("/transfers")


def test_the_file_is_judged_too_where_only_the_folder_is_ours(
    room: Room, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.signed_in().close()
    found = os.fstat
    inode = file_of(folder).stat().st_ino

    def foreign(opened: int) -> os.stat_result:
        judged = list(found(opened))
        return os.stat_result([*judged[:4], judged[4] + 1, *judged[5:]]) if judged[1] == inode else found(opened)

    monkeypatch.setattr(os, "fstat", foreign)
    with room.client() as bank, pytest.raises(StoreError, match="belongs to another user"):
        bank.post("/transfers")


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda text: b"",
    "cut short": lambda text: text[:-1],
    "half": lambda text: text[: len(text) // 2],
    "no JSON": lambda text: b"\xff\xfe",
    "deep": lambda text: b"[" * 100_000,
    "endless": lambda text: text + b" " * 2_000_000 + b"x",
    "no object": lambda text: b"[]",
    "no version": lambda text: text.replace(b'"upstile_store":1', b'"upstile_store":true'),
    "a key that is none": lambda text: text.replace(b'"key":"M', b'"key":"X'),
    "no key at all": lambda text: text.replace(b'"key":"', b'"key":1,"x":"'),
    "a token with a line break": lambda text: text.replace(b"BASE-SECRET", b"BASE\\nSECRET"),
    "that of another profile": lambda text: text.replace(b'"default"', b'"another"'),
    "that of another API": lambda text: text.replace(b"api.example.com", b"api.example.org"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_said_so_and_left_alone_and_other_profiles_live(
    room: Room, folder: Path, damage: Callable[[bytes], bytes]
) -> None:
    room.signed_in().close()
    room.signed_in("WORK-SECRET", profile="work").close()
    file = file_of(folder)
    damaged = damage(file.read_bytes())
    file.write_bytes(damaged)
    with room.client() as bank:
        for act in (bank.sign_out, lambda: bank.post("/transfers"), lambda: bank.sign_in("/login", json={})):
            with pytest.raises(StoreError, match="is damaged") as caught:
                act()
            assert str(file) in str(caught.value)
            assert "SECRET" not in caught.value.diagnostics()
    assert file.read_bytes() == damaged
    with room.client(profile="work") as bank:
        assert bank.signed_in is not None
        bank.post("/transfers")
    assert room.desk.at("call")[-2].headers["authorization"] == "DPoP WORK-SECRET"
    with room.client() as bank:
        bank.sign_out(forget=True)
        assert not file.exists()
        assert bank.signed_in is None


def test_a_file_of_a_later_version_asks_for_the_update(room: Room, folder: Path) -> None:
    room.signed_in().close()
    file = file_of(folder)
    later = file.read_bytes().replace(b'"upstile_store":1', b'"upstile_store":2')
    file.write_bytes(later)
    with room.client() as bank, pytest.raises(StoreError, match="later version") as caught:
        bank.post("/transfers")
    assert "Update the app" in caught.value.next_step
    assert file.read_bytes() == later


class _Full:
    """A disk that is full at one step of a write."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
        def full(*_: Any, **__: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, step, full)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_sign_in_that_was_there(
    room: Room, folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    room.signed_in().close()
    before = file_of(folder).read_bytes()
    with monkeypatch.context() as patched:
        _Full(patched, step)
        with pytest.raises(StoreError, match="The disk is full"):
            room.signed_in("NEW-SECRET")
    assert file_of(folder).read_bytes() == before
    assert {path.suffix for path in folder.iterdir()} == {".json", ".lock"}
    with room.client() as bank:
        assert bank.signed_in is not None


def test_a_disk_that_is_full_when_a_confirmation_is_kept_costs_a_prompt_and_no_more(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("upstile.client.flow.tokens._kept.terminal_session", lambda: "1 boot")
    with closing(room.signed_in()) as bank:
        _Full(monkeypatch, "replace")
        assert bank.post("/transfers").status_code == 200
        assert bank.post("/transfers").status_code == 200
    assert len(room.desk.person.occasions) == 1
    assert "The disk is full" in caplog.text
    assert "SECRET" not in caplog.text


def test_what_a_killed_process_left_half_written_is_in_nobodys_way(room: Room, folder: Path) -> None:
    room.signed_in().close()
    (folder / f"{NAME.digest}.new").write_text('{"upstile_st')
    with room.client() as bank:
        assert bank.signed_in is not None
        bank.sign_out()
    assert not (folder / f"{NAME.digest}.new").exists()


def test_two_profiles_are_two_sign_ins(room: Room) -> None:
    room.signed_in("ONE").close()
    room.signed_in("TWO", "bob", profile="work").close()
    names = [_subject(room.client(profile=profile)) for profile in ("default", "work", "third")]
    assert names == ["ada", "bob", None]


def _subject(client: Client) -> str | None:
    with client:
        return client.signed_in.subject if client.signed_in else None
