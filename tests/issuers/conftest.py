"""What the tests of external issuers have in common."""

from collections.abc import Generator

import pytest

from support.issuer_server import IssuerServer


@pytest.fixture
def anyio_backend() -> str:
    """The server runs on asyncio."""
    return "asyncio"


@pytest.fixture
def issuer() -> Generator[IssuerServer]:
    """An issuer on this machine that does what a test says."""
    with IssuerServer() as server:
        yield server
