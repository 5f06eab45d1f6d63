"""An empty database of each kind."""

from collections.abc import Generator
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.accounts import ISSUER, NOW
from upstile.server.storage import schema
from upstile.server.storage.sql import SqlLedger, postgresql_engine, sqlite_engine


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[sa.Engine]:
    """Connections to an empty database."""
    if request.param == "sqlite":
        made = sqlite_engine(str(tmp_path / "bank.db"))
    else:
        made = postgresql_engine(request.getfixturevalue("postgres_url"))
    yield made
    made.dispose()


@pytest.fixture
def ledger(engine: sa.Engine) -> SqlLedger:
    """A ledger in it."""
    schema.upgrade(engine, ISSUER)
    return SqlLedger(engine, ISSUER, clock=lambda: NOW)
