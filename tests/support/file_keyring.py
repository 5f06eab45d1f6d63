"""A keyring of the system as a folder of files: several processes share it, and it takes as much as Windows does."""

from hashlib import sha256
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError, PasswordSetError

MOST = 2_560
"""Bytes that the Credential Manager takes, in UTF-16."""


class FileKeyring(KeyringBackend):
    """Keeps each secret in a file.

    Args:
        folder: where.

    Attributes:
        reads, writes: the users that were asked for and written, in their order.
    """

    priority = 0.1  # pyright: ignore[reportAssignmentType]  # never chosen by itself

    def __init__(self, folder: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.reads: list[str] = []
        self.writes: list[str] = []

    def get_password(self, service: str, username: str) -> str | None:
        self.reads.append(username)
        try:
            return self._file(service, username).read_text()
        except FileNotFoundError:
            return None

    def set_password(self, service: str, username: str, password: str) -> None:
        if len(password.encode("utf-16-le")) > MOST:
            raise PasswordSetError("too long")
        self.writes.append(username)
        new = self._file(service, f"{username} new")
        new.write_text(password)
        new.replace(self._file(service, username))

    def delete_password(self, service: str, username: str) -> None:
        try:
            self._file(service, username).unlink()
        except FileNotFoundError:
            raise PasswordDeleteError("not found") from None

    def _file(self, service: str, username: str) -> Path:
        return self.folder / sha256(f"{service}\n{username}".encode()).hexdigest()
