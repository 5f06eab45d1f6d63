"""An application in a folder."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.command import ISSUER, NOW, OLD, Folder
from upstile.protocol import base64url_encode
from upstile.server.keys._seal import TOTP_SEED, Seal
from upstile.server.keys._signing import SigningKeys
from upstile.server.storage.schema import _tables as tables
from upstile.server.storage.sql import sqlite_engine
from upstile.server.storage.sqlite import SqliteStore

SEEDS = 600


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder with an application whose storage is not there yet."""
    return Folder(tmp_path)


@pytest.fixture
def used(folder: Folder) -> Folder:
    """The same after a server ran, under the old secret key, and many users enrolled an authenticator app."""
    path = folder.path / "bank.db"

    async def first_start() -> None:
        store = SqliteStore(path, ISSUER)
        await store.prepare()
        await SigningKeys(store, Seal([OLD]), ISSUER).prepare(NOW)
        await store.aclose()

    asyncio.run(first_start())
    engine = sqlite_engine(str(path))
    with engine.begin() as connection:
        connection.execute(sa.insert(tables.authenticators), [_row(number) for number in range(SEEDS)])
    engine.dispose()
    return folder


def _row(number: int) -> dict[str, object]:
    id, subject = f"id-{number:04}", f"user-{number}"
    sealed = Seal([OLD]).close(b"seed", label=TOTP_SEED, bound=(ISSUER, subject, id, "seed"))
    members = {"id": id, "issuer": ISSUER, "subject": subject, "data": {"seed": base64url_encode(sealed)}}
    return {**members, "method": "totp", "name": "App", "state": "active", "created": NOW, "first": False} | {
        "counter": 0,
        "closed": False,
    }
