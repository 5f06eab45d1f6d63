"""Where a sign-in is kept between two processes: nowhere, in a file, in the keyring of the system."""

from upstile.client.stores._file import FileStore
from upstile.client.stores._keyring import KeyringStore
from upstile.client.stores._memory import MemoryStore
from upstile.client.stores._store import EntryName, Store

__all__ = ["EntryName", "FileStore", "KeyringStore", "MemoryStore", "Store"]
