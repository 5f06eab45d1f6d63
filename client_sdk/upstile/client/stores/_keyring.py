"""A store in the keyring of the system, which takes short texts only: an entry lies there in parts.

The head of an entry names a place, a generation and a number of parts; each part begins with its generation. A change
writes the parts to the other place and the head last, so the old entry is whole until the new one is.
"""

import re
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from upstile.client._errors import StoreError
from upstile.client.stores._entry import damaged
from upstile.client.stores._folder import PrivateFolder
from upstile.client.stores._store import EntryName, Rule
from upstile.client.words import said

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

LONGEST_PART = 1_200
"""Characters: Windows takes 2 560 bytes, and writes two for each character."""
_TRUSTED = 1
"""The priority from which the keyring library itself recommends a back end."""
_head = re.compile(r"upstile (?P<place>[ab]) (?P<generation>[0-9a-f]{16}) (?P<parts>[0-9]{1,4})")


class KeyringStore:
    """Keeps sign-ins in the keyring of the system: Keychain, Credential Manager, Secret Service, KWallet.

    Where there is none, or it is locked, it says so; it never takes a file instead.

    Args:
        app: the name of the app, under which the person finds them in the keyring.
        backend: a back end of the `keyring` library; by default the one that it recommends.
        folder: where the lock lies that several processes wait for; as for `FileStore`. It holds no secret.

    Raises:
        ImportError: the extra `keyring` is not installed.
        ConfigurationError: `app` could not name a folder.
    """

    def __init__(self, app: str, *, backend: "KeyringBackend | None" = None, folder: str | Path | None = None) -> None:
        if find_spec("keyring") is None:
            raise ImportError("KeyringStore needs keyring: pip install 'upstile[keyring]'")
        self._service, self._given = app, backend
        self._folder = PrivateFolder(app, None if folder is None else Path(folder))

    def read(self, name: EntryName) -> str | None:
        """The text of an entry; while another process changes it, the turn is waited for."""
        with self._kept() as kept:
            text = kept.read(name)
        if text is not _MIXED:
            return text
        with self._locked(name), self._kept() as kept:
            return self._whole(kept, name)

    def change(self, name: EntryName, rule: Rule) -> None:
        """Replace it."""
        with self._locked(name):
            with self._kept() as kept:
                before = kept.read(name)
            after = rule("" if before is _MIXED else before)  # what is no entry its reader refuses, and may be removed
            with self._kept() as kept:
                kept.write(name, after)

    def where(self, name: EntryName) -> str:
        """What the person looks for in the keyring."""
        return f"the keyring of this system, as {self._service} {name.digest}"

    def _whole(self, kept: "_Parts", name: EntryName) -> str | None:
        text = kept.read(name)
        if text is _MIXED:
            raise damaged(self.where(name))
        return text

    @contextmanager
    def _locked(self, name: EntryName) -> Generator[None]:
        self._folder.made()
        with self._folder.opened(), self._folder.locked(name.digest):
            yield

    @contextmanager
    def _kept(self) -> Generator["_Parts"]:
        """The parts in the keyring; whatever it refuses becomes a sentence."""
        from keyring import errors

        try:
            yield _Parts(self._given or _recommended(), self._service)
        except errors.KeyringLocked as error:
            raise StoreError(**said("keyring-locked")) from error
        except errors.NoKeyringError as error:
            raise _no_keyring() from error
        except StoreError:
            raise
        except Exception as error:  # back ends raise what their systems raise
            raise StoreError(**said("keyring-refused", why=type(error).__name__)) from error


_MIXED = "\x00"
"""Stands for an entry whose parts do not belong together: somebody is changing it, or did not get to the end."""


class _Parts:
    """The parts of the entries of one service."""

    def __init__(self, backend: Any, service: str) -> None:
        self._backend, self._service = backend, service

    def read(self, name: EntryName) -> str | None:
        text = self._get(name.digest)
        if text is None:
            return None
        head = _head.fullmatch(text)
        if head is None:
            return _MIXED
        mark, parts = f"{head['generation']} ", list[str]()
        for number in range(int(head["parts"])):
            part = self._get(f"{name.digest}.{head['place']}{number}")
            if part is None or not part.startswith(mark):
                return _MIXED
            parts.append(part.removeprefix(mark))
        return "".join(parts)

    def write(self, name: EntryName, text: str | None) -> None:
        head = _head.fullmatch(self._get(name.digest) or "")
        if text is None:
            self._remove(name.digest)
            for place in "ab":
                self._remove_parts(name, place, 0)
            return
        place, generation = "b" if head is not None and head["place"] == "a" else "a", token_hex(8)
        room = LONGEST_PART - len(generation) - 1
        parts = [text[start : start + room] for start in range(0, len(text), room)]
        for number, part in enumerate(parts):
            self._set(f"{name.digest}.{place}{number}", f"{generation} {part}")
        self._set(name.digest, f"upstile {place} {generation} {len(parts)}")
        self._remove_parts(name, place, len(parts))
        self._remove_parts(name, "a" if place == "b" else "b", 0)

    def _remove_parts(self, name: EntryName, place: str, first: int) -> None:
        """Remove what an entry does not need any more, also what a process that was killed left behind."""
        while self._remove(f"{name.digest}.{place}{first}"):
            first += 1

    def _get(self, user: str) -> str | None:
        text: str | None = self._backend.get_password(self._service, user)
        return text

    def _set(self, user: str, text: str) -> None:
        self._backend.set_password(self._service, user, text)

    def _remove(self, user: str) -> bool:
        if self._get(user) is None:
            return False
        self._backend.delete_password(self._service, user)
        return True


def _recommended() -> Any:
    """The back end of this system, if it is one that keeps secrets."""
    import keyring
    from keyring.backends import chainer

    found = keyring.get_keyring()
    first = next(iter(found.backends), found) if isinstance(found, chainer.ChainerBackend) else found
    if first.priority < _TRUSTED:  # none at all, or a plain file
        raise _no_keyring()
    return first


def _no_keyring() -> StoreError:
    return StoreError(**said("no-keyring"))
