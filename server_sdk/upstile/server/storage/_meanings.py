"""What SQLite's errors mean to who runs the deployment."""

import sqlite3

from upstile.server._errors import StorageUnavailable

_RIGHTS = "give the file and its folder to the user that this process runs as"
_LOCKED = "another connection keeps the file locked: look for a transaction that does not end"
_MEANINGS = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_FULL: "the disk is full, or the file has reached its limit: free some space",
    sqlite3.SQLITE_READONLY: f"the file or its folder is read-only: {_RIGHTS}",
    sqlite3.SQLITE_PERM: f"the file may not be opened: {_RIGHTS}",
    sqlite3.SQLITE_AUTH: f"the file may not be opened: {_RIGHTS}",
    sqlite3.SQLITE_CANTOPEN: f"the file cannot be opened: {_RIGHTS}, and look whether its disk is there",
    sqlite3.SQLITE_IOERR: "the disk or its file system fails: put the file on a local disk that works",
    sqlite3.SQLITE_PROTOCOL: "the file system keeps no locks: put the file on a local disk",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: restore a backup",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database: name another one in storage=, or restore a backup",
}


def meaning(error: sqlite3.Error) -> StorageUnavailable:
    """The error of ours that says what to do."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    name: str = getattr(error, "sqlite_errorname", type(error).__name__)
    what_to_do = _MEANINGS.get(code & 0xFF)  # never SQLite's own text, which may quote what is stored
    return StorageUnavailable(f"SQLite refuses ({name})" + (f": {what_to_do}" if what_to_do else ""))
