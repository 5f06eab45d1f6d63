"""Fixtures for all tests."""

from collections.abc import Generator
from pathlib import Path

import pytest

from support.bank_server import BankServer, running_bank


@pytest.fixture
def bank_server(tmp_path: Path) -> Generator[BankServer]:
    """The example bank on a real socket."""
    with running_bank(tmp_path) as bank:
        yield bank
