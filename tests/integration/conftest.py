"""Fixtures of the in-process tests."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """The event loop that the server is built for."""
    return "asyncio"
