"""Fixtures for all tests."""

from collections.abc import Generator
from pathlib import Path

import pytest

from support.bank_server import BankServer, running_bank
from support.clocks import SharedClock
from support.libraries import HTTPX, HTTPX2, Library, running_on
from support.nodes import NodeProgram, Shared, node_program
from support.postgres import PostgresServer, running_postgres
from support.redis_server import RedisServer, redis_server
from support.virtual_screen import virtual_screen


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what takes `library` on both: the second time in the long lane, but for what is marked as a sample."""
    if "library" in metafunc.fixturenames:
        marks = () if metafunc.definition.get_closest_marker("both_libraries") else pytest.mark.long
        metafunc.parametrize("library", [HTTPX, pytest.param(HTTPX2, marks=marks)], ids=str, indirect=True)


@pytest.fixture
def library(request: pytest.FixtureRequest) -> Generator[Library]:
    """The HTTP library that the client runs on."""
    with running_on(request.param) as library:
        yield library


@pytest.fixture(scope="session")
def screen() -> Generator[str]:
    """A screen that nobody sees. One for all: Tk ends the process when a display goes that it has ever used."""
    with virtual_screen() as name:
        yield name


@pytest.fixture
def bank_server(tmp_path: Path) -> Generator[BankServer]:
    """The example bank on a real socket."""
    with running_bank(tmp_path) as bank:
        yield bank


@pytest.fixture(scope="session")
def postgres() -> Generator[PostgresServer]:
    """A real PostgreSQL, started once."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """The URL of an empty database."""
    return postgres.new_database()


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Generator[RedisServer]:
    """One Redis for all tests that do it no harm."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(shared_redis: RedisServer) -> RedisServer:
    """A Redis with nothing in it."""
    shared_redis.do("FLUSHALL")
    return shared_redis


@pytest.fixture(scope="session")
def program() -> Generator[NodeProgram]:
    """Starts nodes of the bank."""
    with node_program() as program:
        yield program


@pytest.fixture(params=["sqlite", "postgresql", "postgresql and redis"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Shared:
    """What nodes of the bank share: an empty storage of each kind, and a clock that stands still."""
    clock = SharedClock(tmp_path / "clock")
    if request.param == "sqlite":
        return Shared(storage=f"sqlite:///{tmp_path / 'bank.db'}", clock=clock)
    storage: str = request.getfixturevalue("postgres_url")
    if request.param == "postgresql":
        return Shared(storage=storage, clock=clock)
    return Shared(storage=storage, one_time=request.getfixturevalue("redis").url, clock=clock)
