"""What the tests of mails share."""

from math import inf

import pytest

from upstile.server.authorization.ceremony import _overload


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def overload(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test shares its event loop with the server that it calls: no start is refused because the loop is late."""
    monkeypatch.setattr(_overload, "LATE", inf)
