"""The storages of this folder: every test that takes a place runs for all of them."""

from pathlib import Path

import pytest

from support.redis_server import RedisServer
from support.stores import STORES, Place


@pytest.fixture
def anyio_backend() -> str:
    """The event loop that the server is built for."""
    return "asyncio"


@pytest.fixture
def sqlite_address(tmp_path: Path) -> str:
    """A file that is not there yet."""
    return str(tmp_path / "state.db")


@pytest.fixture
def redis_address(redis: RedisServer, tmp_path: Path) -> str:
    """An empty Redis, and a file for what is durable."""
    return f"{redis.url} {tmp_path / 'durable.db'}"


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest) -> Place:
    """An empty storage of each kind."""
    return _place(request)


@pytest.fixture(params=[name for name, kind in STORES.items() if kind.durable])
def durable_place(request: pytest.FixtureRequest) -> Place:
    """An empty storage of each kind that has a durable half of its own."""
    return _place(request)


def _place(request: pytest.FixtureRequest) -> Place:
    return Place(request.param, request.getfixturevalue(STORES[request.param].address))
