"""What the tests of mails share."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
