"""Fixtures for all tests."""

from collections.abc import Generator
from pathlib import Path

import pytest

from support.bank_server import BankServer, running_bank
from support.postgres import PostgresServer, running_postgres


@pytest.fixture
def bank_server(tmp_path: Path) -> Generator[BankServer]:
    """The example bank on a real socket."""
    with running_bank(tmp_path) as bank:
        yield bank


@pytest.fixture(scope="session")
def postgres() -> Generator[PostgresServer]:
    """A real PostgreSQL, started once."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """The URL of an empty database."""
    return postgres.new_database()
