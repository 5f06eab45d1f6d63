"""Restoring the durable half of a deployment whose one-time half is in Redis, as docs/operating.md says it."""

from collections.abc import Generator
from pathlib import Path

import pytest

from support.redis_server import RedisServer, redis_server

pytestmark = pytest.mark.anyio


@pytest.fixture
def redis(tmp_path: Path) -> Generator[RedisServer]:
    """A Redis of its own."""
    with redis_server(tmp_path / "redis") as server:
        yield server
