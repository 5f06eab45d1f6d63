"""A folder of one app that nobody else may look into, and a lock in it that ends with its holder.

Everything is judged on what is open, never on a name: what a name stands for may change between a look and a use.
"""

import errno
import os
import re
import stat
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from upstile.client._errors import ConfigurationError, StoreError
from upstile.client.words import said

PATIENCE = 40.0
"""Seconds to wait for another process: it holds the lock for milliseconds, or until a sign-in was renewed."""
_POLL = 0.02
_app_name = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


class PrivateFolder:
    """The folder of an app.

    Args:
        app: the app's name.
        path: where it is; by default in the folder that the system has for the state of programs.

    Raises:
        ConfigurationError: the name could not name a folder.
    """

    def __init__(self, app: str, path: Path | None) -> None:
        if not _app_name.fullmatch(app):
            raise ConfigurationError(f"{app!r} names no app: letters, digits, '.', '_' and '-', at most 64")
        self.path = path or _state_path(app)

    def made(self) -> None:
        """Make it, for its owner alone."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(self.path, error) from error

    @contextmanager
    def opened(self) -> Generator[int | None]:
        """A descriptor of the folder, which names in it are looked up by; `None` on Windows, which has none.

        Raises:
            FileNotFoundError: it does not exist.
            StoreError: it is somebody else's, or others may look into it.
        """
        if sys.platform == "win32":
            if not self.path.is_dir():
                raise FileNotFoundError(self.path)
            yield None
            return
        try:
            folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _unusable(self.path, error) from error
        try:
            judge(folder, self.path, stat.S_ISDIR)
            yield folder
        finally:
            os.close(folder)

    @contextmanager
    def locked(self, name: str) -> Generator[None]:
        """Hold the lock of this name. The system takes it back when its holder dies, however that happens.

        Raises:
            StoreError: another process holds it all the time, or the file system has no locks.
        """
        import filelock  # brings asyncio with it: only where it is used

        if filelock.FileLock is filelock.SoftFileLock:  # a file whose holder died would lock for ever
            raise StoreError(**said("no-locks"))
        path = self.path / f"{name}.lock"
        lock = filelock.FileLock(
            path, timeout=PATIENCE, mode=0o600, poll_interval=_POLL, fallback_to_soft=False, preserve_lock_file=True
        )
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise StoreError(**said("locked", path=path, patience=PATIENCE)) from error
        except OSError as error:
            raise _unusable(path, error) from error
        try:
            yield
        finally:
            lock.release()


def judge(opened: int, path: Path, is_kind: Callable[[int], bool]) -> os.stat_result:
    """What is open must be of the kind, ours, and closed to everybody else.

    Raises:
        StoreError: it is not.
    """
    found = os.fstat(opened)
    if not is_kind(found.st_mode):
        raise StoreError(**said("not-a-file", path=path))
    if sys.platform == "win32":  # where the folder of a user is closed by its access list
        return found
    if found.st_uid != os.geteuid():
        raise StoreError(**said("another-owner", path=path))
    if found.st_mode & 0o077:
        mode = "700" if stat.S_ISDIR(found.st_mode) else "600"
        raise StoreError(**said("open-to-others", path=path, mode=mode))
    return found


def cannot(path: Path, error: OSError, doing: str) -> StoreError:
    """What a failed operation means to the person."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(**said("disk-full", path=path, doing=doing))
    if error.errno == errno.ELOOP:
        return StoreError(**said("a-link", path=path))
    why = error.strerror or type(error).__name__
    return StoreError(**said("cannot", path=path, doing=doing, why=why))


def _unusable(path: Path, error: OSError) -> StoreError:
    if error.errno == errno.ENOTDIR:  # what O_DIRECTORY says of a link
        return StoreError(**said("no-folder", path=path))
    return cannot(path, error, "used")


def _state_path(app: str) -> Path:
    from platformdirs import user_state_path

    return user_state_path(app, appauthor=False) / "upstile"
