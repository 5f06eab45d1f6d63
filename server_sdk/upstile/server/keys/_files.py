"""The secret key of a development server: made at its first start, in a file that only its owner can read."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

from upstile.server._errors import ConfigurationError
from upstile.server.keys._secret_keys import new_key, read_key

_OTHERS = 0o077
_LOOKS = 10


class KeyFile:
    """A key in a file beside the data. Processes that start at once agree on one key.

    Args:
        path: the file; it is made, or read, when the key is asked for.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def key(self, *, may_make: bool) -> bytes:
        """The key, as text.

        Args:
            may_make: nothing is sealed yet, so a key that is missing or was cut off by a crash may be made anew.

        Raises:
            ConfigurationError: the key is missing or damaged, and what it sealed is there; or others can read it; or
                the file can be neither read nor made.
        """
        try:
            return self._agreed() if may_make else self._read()
        except OSError as error:
            raise ConfigurationError(
                f"the key file {self._path} can be neither read nor made ({error.strerror}): make its directory "
                "writable, or set UPSTILE_SECRET_KEYS"
            ) from error

    def _read(self) -> bytes:
        found = _whole(self._path)
        if found is None:
            raise ConfigurationError(
                f"the key file {self._path} is missing or damaged, and the storage holds what it sealed: restore the "
                "file from a backup; without one, remove the storage and begin with an empty one"
            )
        return found

    def _agreed(self) -> bytes:
        found = _whole(self._path) or _made(self._path)
        return found if found is not None else self._mended()

    def _mended(self) -> bytes:
        """Replace a damaged file by what all processes agree on under another name.

        A process that comes late sees the mended file and drops its own proposal, so nobody works with a second key.
        """
        proposal = self._path.with_name(self._path.name + ".new")
        for _ in range(_LOOKS):
            agreed = _whole(proposal) or _made(proposal)
            found = _whole(self._path)
            if found is None and agreed is not None:
                _written(self._path.parent, agreed).replace(self._path)
                _sync_directory(self._path.parent)
                found = agreed
            if found is not None:
                proposal.unlink(missing_ok=True)
                return found
        raise ConfigurationError(f"the key files {self._path} and {proposal} are damaged: remove both")

    def __repr__(self) -> str:
        return f"KeyFile({str(self._path)!r})"


def _whole(path: Path) -> bytes | None:
    """The key in a file; `None` if there is no file or it was cut off."""
    try:
        with path.open("rb") as file:
            mode, content = os.fstat(file.fileno()).st_mode, file.read(200)
    except FileNotFoundError:
        return None
    if sys.platform != "win32" and mode & _OTHERS:
        raise ConfigurationError(f"others can read the key file {path}: run `chmod 600 {path}`")
    return None if read_key(content) is None else content.strip()


def _made(path: Path) -> bytes | None:
    """A new key in `path`, or the one that another process put there; `None` if that one is damaged."""
    temporary = _written(path.parent, new_key())
    with suppress(FileExistsError):
        os.link(temporary, path)  # all of the file at once, and only where there is none
    temporary.unlink()
    _sync_directory(path.parent)
    return _whole(path)


def _written(directory: Path, content: bytes) -> Path:
    descriptor, name = mkstemp(prefix=".upstile-key-", dir=directory)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)


def _sync_directory(directory: Path) -> None:
    if sys.platform == "win32":  # a directory cannot be opened there
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
