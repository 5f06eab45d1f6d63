"""Fixtures of the tests in which something ends, stops or is lost in the middle."""

from collections.abc import Generator

import pytest

from support.postgres import PostgresServer, running_postgres
from support.redis_server import RedisServer, redis_server


@pytest.fixture
def anyio_backend() -> str:
    """The event loop that the server is built for."""
    return "asyncio"


@pytest.fixture(scope="session")
def own_postgres() -> Generator[PostgresServer]:
    """A PostgreSQL that may be restarted."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Generator[RedisServer]:
    """A Redis that may be restarted, and keeps what it was given."""
    with redis_server(tmp_path_factory.mktemp("redis"), "--appendonly", "yes", "--appendfsync", "always") as server:
        yield server
