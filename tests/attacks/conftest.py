"""Fixtures of the attacks."""

from math import inf

import pytest

from upstile.server.authorization.ceremony import _overload


@pytest.fixture
def anyio_backend() -> str:
    """The event loop that the server is built for."""
    return "asyncio"


@pytest.fixture(autouse=True)
def overload(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attack shares its event loop with the server, and makes it late: no start is refused for that."""
    monkeypatch.setattr(_overload, "LATE", inf)
