"""Fixtures of the in-process tests."""

import pytest

from support.ada import Ada
from support.bank_server import BankServer


@pytest.fixture
def anyio_backend() -> str:
    """The event loop that the server is built for."""
    return "asyncio"


@pytest.fixture
def ada(bank_server: BankServer) -> Ada:
    """A person at the example bank."""
    return Ada(bank_server)
