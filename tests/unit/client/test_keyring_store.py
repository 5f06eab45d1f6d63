"""A store in the keyring of the system: in parts, whole whatever happens, and never anywhere else instead."""

import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import keyring
import pytest
from keyring.backends import chainer, fail, null
from keyring.errors import KeyringError, KeyringLocked

from support.file_keyring import MOST, FileKeyring
from support.rooms import NAME, Room
from upstile.client import KeyringStore, StoreError


@pytest.fixture
def ring(tmp_path: Path) -> FileKeyring:
    return FileKeyring(tmp_path / "ring")


@pytest.fixture
def store(ring: FileKeyring, tmp_path: Path) -> KeyringStore:
    return KeyringStore("pay", backend=ring, folder=tmp_path / "state")


def _put(store: KeyringStore, text: str | None) -> None:
    store.change(NAME, lambda _: text)


def test_a_sign_in_is_there_in_the_next_process_and_no_file_has_it(store: KeyringStore, tmp_path: Path) -> None:
    room = Room(store)
    room.signed_in().close()
    with room.client() as bank:
        assert bank.signed_in is not None
        bank.post("/transfers")
    assert room.desk.at("call")[1].headers["authorization"] == "DPoP BASE-SECRET"
    assert all(path.read_bytes() == b"" for path in (tmp_path / "state").iterdir())


@pytest.mark.parametrize("length", [0, 1, 1_183, 1_184, 20_000])
def test_a_text_of_any_length_comes_back_and_goes_without_a_trace(
    store: KeyringStore, ring: FileKeyring, length: int
) -> None:
    for text in ("x" * length, "y" * (length // 2), "z" * length):
        _put(store, text)
        assert store.read(NAME) == text
    _put(store, None)
    assert store.read(NAME) is None
    assert list(ring.folder.iterdir()) == []


def test_no_part_is_longer_than_windows_takes_whatever_the_subjects_name(
    store: KeyringStore, ring: FileKeyring
) -> None:
    Room(store).signed_in("T" * 4_000, "\N{GRINNING FACE}" * 255).close()
    assert all(len(path.read_text().encode("utf-16-le")) <= MOST for path in ring.folder.iterdir())
    with Room(store).client() as bank:
        assert bank.signed_in is not None
        assert bank.signed_in.subject == "\N{GRINNING FACE}" * 255


def test_a_change_that_is_killed_at_any_write_leaves_the_old_text_or_the_new(
    store: KeyringStore, ring: FileKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = "o" * 5_000, "n" * 7_000
    write, remove, ended = FileKeyring.set_password, FileKeyring.delete_password, False
    for limit in range(14):
        left = [limit]

        def killed(do: Callable[..., Any], left: list[int] = left) -> Callable[..., Any]:
            def call(*arguments: str) -> None:
                if left[0] == 0:
                    raise KeyboardInterrupt
                left[0] -= 1
                do(*arguments)

            return call

        _put(store, None)
        _put(store, old)
        with monkeypatch.context() as patched:
            patched.setattr(FileKeyring, "set_password", killed(write))
            patched.setattr(FileKeyring, "delete_password", killed(remove))
            try:
                _put(store, new)
                ended = True
            except KeyboardInterrupt:
                ended = False
        assert store.read(NAME) in (old, new), limit
        _put(store, "after")
        assert store.read(NAME) == "after"
    assert ended  # the last limits let the whole change through


def test_a_mixture_of_two_generations_is_read_again_when_the_change_is_over(
    store: KeyringStore, ring: FileKeyring, tmp_path: Path
) -> None:
    one, two, three = "1" * 5_000, "2" * 5_000, "3" * 5_000
    _put(store, one)
    reader = FileKeyring(ring.folder)
    reading = KeyringStore("pay", backend=reader, folder=tmp_path / "state")
    real = reader.get_password

    def slow(service: str, username: str) -> str | None:
        found = real(service, username)
        if len(reader.reads) == 2:  # the head and one part were read: two changes happen
            _put(store, two)
            _put(store, three)
        return found

    reader.get_password = slow  # type: ignore[method-assign]
    assert reading.read(NAME) == three
    heads = [user for user in reader.reads if user == NAME.digest]
    assert len(heads) == 2


@pytest.mark.parametrize("damage", ["head", "part", "missing"])
def test_a_damaged_entry_is_said_so_and_can_be_forgotten(store: KeyringStore, ring: FileKeyring, damage: str) -> None:
    room = Room(store)
    room.signed_in().close()
    part = next(user for user in reversed(ring.writes) if user != NAME.digest)
    if damage == "head":
        ring.set_password("pay", NAME.digest, "gibberish")
    elif damage == "part":
        ring.set_password("pay", part, "0123456789abcdef {}")
    else:
        ring.delete_password("pay", part)
    with room.client() as bank:
        for act in (bank.sign_out, lambda: bank.post("/transfers"), lambda: bank.sign_in("/login")):
            with pytest.raises(StoreError, match="is damaged"):
                act()
        bank.sign_out(forget=True)
        assert bank.signed_in is None
    assert ring.get_password("pay", NAME.digest) is None


REFUSALS: dict[str, tuple[Exception, str]] = {
    "locked": (KeyringLocked("the collection"), "is locked"),
    "refusing": (KeyringError("SECRET"), "refused: KeyringError"),
    "broken": (RuntimeError("SECRET on the bus"), "refused: RuntimeError"),
}


@pytest.mark.parametrize(("error", "said"), REFUSALS.values(), ids=REFUSALS)
def test_what_a_keyring_refuses_is_a_sentence_for_the_person(
    store: KeyringStore, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str, tmp_path: Path
) -> None:
    def refuse(*_: Any) -> None:
        raise error

    room = Room(store)
    for method in ("get_password", "set_password"):
        with monkeypatch.context() as patched:
            patched.setattr(FileKeyring, method, refuse)
            with pytest.raises(StoreError, match=said) as caught:
                room.signed_in()
            assert "SECRET" not in caught.value.diagnostics()
            assert caught.value.next_step
    assert not list(tmp_path.rglob("*.json"))


class PlainFile(FileKeyring):
    """A back end that keeps secrets in a plain file, as some packages bring one."""

    priority = 0.5  # pyright: ignore[reportAssignmentType]


@pytest.mark.parametrize("found", [fail.Keyring, null.Keyring, PlainFile])
def test_where_there_is_no_keyring_nothing_else_is_taken_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: type[Any]
) -> None:
    place = (tmp_path / "plain",) if found is PlainFile else ()
    monkeypatch.setattr(keyring, "get_keyring", lambda: found(*place))
    room = Room(KeyringStore("pay", folder=tmp_path / "state"))
    with pytest.raises(StoreError, match="no keyring that can be used") as caught:
        room.signed_in()
    assert "choose another store" in caught.value.next_step
    assert not room.desk.sent


def test_nor_is_a_plain_file_taken_out_of_a_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = chainer.ChainerBackend()  # type: ignore[no-untyped-call]
    monkeypatch.setattr(chainer.ChainerBackend, "backends", [PlainFile(tmp_path / name) for name in "ab"])
    monkeypatch.setattr(keyring, "get_keyring", lambda: chain)
    with pytest.raises(StoreError, match="no keyring that can be used"):
        KeyringStore("pay", folder=tmp_path / "state").read(NAME)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ImportError, match=r"pip install 'upstile\[keyring\]'"):
        KeyringStore("pay")


def test_changes_by_many_at_once_are_all_there(ring: FileKeyring, tmp_path: Path) -> None:
    def add() -> None:
        mine = KeyringStore("pay", backend=FileKeyring(ring.folder), folder=tmp_path / "state")
        for _ in range(3):
            mine.change(NAME, lambda text: (text or "") + "x" * 1_000)

    threads = [Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert KeyringStore("pay", backend=ring, folder=tmp_path / "state").read(NAME) == "x" * 12_000
