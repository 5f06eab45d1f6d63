"""Fixtures of the in-process tests."""

from math import inf

import pytest

from support.ada import Ada
from support.bank_server import BankServer
from support.libraries import Library
from upstile.server.authorization.ceremony import _overload


@pytest.fixture
def anyio_backend() -> str:
    """The event loop that the server is built for."""
    return "asyncio"


@pytest.fixture
def ada(library: Library, bank_server: BankServer) -> Ada:
    """A person at the example bank, whose apps are on each HTTP library."""
    return Ada(bank_server)


@pytest.fixture(autouse=True)
def overload(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test shares its event loop with the server that it calls, and makes it late: no start is refused for that."""
    monkeypatch.setattr(_overload, "LATE", inf)
