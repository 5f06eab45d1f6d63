"""The files of a storage: made for their owner alone, and refused where others could read seeds and signing keys."""

import os
import stat
import tempfile
from pathlib import Path
from threading import Lock

from upstile.server._errors import ConfigurationError

_OTHERS, _GROUP = 0o007, 0o070
_making = Lock()


def check_files(path: Path, *, allow_group: bool) -> None:
    """Make the file if it is missing; check who may read and write it, what SQLite puts beside it and a file of keys.

    Args:
        path: the database.
        allow_group: whether a group may read and write as well.

    Raises:
        ConfigurationError: the file cannot be made, or is open to others; the message says what to do.
    """
    if not path.parent.is_dir():
        raise ConfigurationError(
            f"the folder {str(path.parent)!r} is missing: make it, or name another one in storage="
        )
    if path.is_dir():
        raise ConfigurationError(f"{str(path)!r} is a folder: name a file in storage=")
    _make(path, 0o660 if allow_group else 0o600)
    for suffix in ("", "-wal", "-shm", "-journal", ".key"):
        _check_mode(path.with_name(path.name + suffix), allow_group=allow_group)
    _check_folder(path.parent)


def _make(path: Path, mode: int) -> None:
    # NOTE: closing any descriptor of a file ends all locks that this process has on it (POSIX). So a file that may be
    # in use is never opened here, and one lock lets nobody use a new one before its descriptor is closed again.
    with _making:
        try:
            made = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode)
        except FileExistsError:
            return
        except OSError as error:
            raise ConfigurationError(
                f"{str(path)!r} cannot be made ({error.strerror}): let this process write to its folder"
            ) from error
        try:
            if os.name == "posix":
                os.fchmod(made, mode)  # whatever the umask took away
        finally:
            os.close(made)


def _check_mode(path: Path, *, allow_group: bool) -> None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigurationError(f"{str(path)!r} cannot be looked at: {error.strerror}") from error
    if os.name != "posix":  # the mode says nothing there
        return
    if mode & _OTHERS:
        raise ConfigurationError(
            f"{str(path)!r} is open to every user of this machine (mode {mode:o}); it holds the seeds of authenticators"
            f" and signing keys. Close it: chmod 600 '{path}'"
        )
    if mode & _GROUP and not allow_group:
        raise ConfigurationError(
            f"{str(path)!r} is open to a group (mode {mode:o}). Close it (chmod 600 '{path}'), or say"
            " allow_group_files=True if that group may read seeds and signing keys"
        )


def _check_folder(folder: Path) -> None:
    """Check that files can be made beside the database, and locked: SQLite itself would call both "locked" for ever."""
    # NOTE: a network file system that only pretends to lock cannot be told from a real one here.
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            _lock(probe.fileno())
    except OSError as error:
        raise ConfigurationError(
            f"no file in {str(folder)!r} can be written and locked ({error.strerror}): put the storage into a folder"
            " that this process may write to, on a local disk"
        ) from error


def _lock(descriptor: int) -> None:
    if os.name == "posix":
        import fcntl

        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
