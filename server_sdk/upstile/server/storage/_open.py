"""Which stores a deployment has, by what its author wrote. Nothing is opened here."""

from pathlib import Path

from upstile.server.storage._stores import Storage
from upstile.server.storage.sqlite import SqliteStore


def storage_for(
    storage: str, one_time: str | None, issuer: str, *, allow_group_files: bool
) -> tuple[Storage, Path | None]:
    """The stores, and where a development server keeps its key."""
    path = Path(storage.removeprefix("sqlite:///"))
    return SqliteStore(path, issuer, allow_group_files=allow_group_files), path.with_name(path.name + ".key")
