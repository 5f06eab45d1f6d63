"""A store of files: one for each entry, so that none can damage another."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from upstile.client.stores._folder import NO_FOLLOW, PrivateFolder, cannot, judge
from upstile.client.stores._store import EntryName, Rule

_MOST = 1_048_576
"""Bytes of an entry; ours have a few thousand."""
_READ = os.O_RDONLY | NO_FOLLOW | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW | getattr(os, "O_CLOEXEC", 0)


class FileStore:
    """Keeps sign-ins in files that only this user of the machine can read.

    Another program of the same user can read them, too: `KeyringStore` makes that harder on some systems (SECURITY.md).

    Args:
        app: the name of the app; its files lie in `APP/upstile` where the system keeps the state of programs. On Linux
            that is `~/.local/state` or `XDG_STATE_HOME`, on macOS `~/Library/Application Support`, on Windows
            `%LOCALAPPDATA%`.
        folder: another folder; it has to be closed to other users.

    Raises:
        ConfigurationError: `app` could not name a folder.
    """

    def __init__(self, app: str, *, folder: str | Path | None = None) -> None:
        self._folder = PrivateFolder(app, None if folder is None else Path(folder))

    def read(self, name: EntryName) -> str | None:
        """The text of an entry."""
        try:
            with self._folder.opened() as folder:
                return self._read(name, folder)
        except FileNotFoundError:
            return None

    def change(self, name: EntryName, rule: Rule) -> None:
        """Replace it: a new file takes the place of the old one, which is whole until then."""
        self._folder.made()
        with self._folder.opened() as folder, self._folder.locked(name.digest):
            text = rule(self._read(name, folder))
            try:
                if text is None:
                    with suppress(FileNotFoundError):
                        os.unlink(self._path(_file(name), folder), dir_fd=folder)
                else:
                    self._write(name, folder, text.encode())
            except OSError as error:
                raise cannot(self._folder.path / _file(name), error, "written") from error

    def where(self, name: EntryName) -> str:
        """The path of its file."""
        return str(self._folder.path / _file(name))

    def _read(self, name: EntryName, folder: int | None) -> str | None:
        path = self._folder.path / _file(name)
        try:
            opened = os.open(self._path(_file(name), folder), _READ, dir_fd=folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise cannot(path, error, "read") from error
        try:
            judge(opened, path, stat.S_ISREG)
            with os.fdopen(opened, "rb", closefd=False) as file:
                text = file.read(_MOST + 1)
            return "" if len(text) > _MOST else text.decode()  # what is no entry at all its reader says
        except UnicodeDecodeError:
            return ""
        except OSError as error:
            raise cannot(path, error, "read") from error
        finally:
            os.close(opened)

    def _write(self, name: EntryName, folder: int | None, text: bytes) -> None:
        new, old = self._path(_file(name, "new"), folder), self._path(_file(name), folder)
        with suppress(FileNotFoundError):  # left behind by a process that was killed: we hold its lock now
            os.unlink(new, dir_fd=folder)
        opened = os.open(new, _WRITE, 0o600, dir_fd=folder)
        try:
            with os.fdopen(opened, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(opened)
            os.replace(new, old, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(new, dir_fd=folder)
            raise
        if folder is not None:
            os.fsync(folder)

    def _path(self, file: str, folder: int | None) -> str:
        return file if folder is not None else str(self._folder.path / file)


def _file(name: EntryName, kind: str = "json") -> str:
    return f"{name.digest}.{kind}"
