"""A shell, and what it calls."""

from collections.abc import Generator
from pathlib import Path

import pytest

from support.bank_server import BankServer, running_bank
from support.echo_api import echo_api
from support.shell import Shell


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Shell]:
    """A shell of a person who is nowhere signed in."""
    shell = Shell(tmp_path / "home", monkeypatch)
    yield shell
    shell.terminal.close()


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Generator[BankServer]:
    """One bank for all tests of a module."""
    with running_bank(tmp_path_factory.mktemp("bank")) as bank:
        yield bank


@pytest.fixture(scope="module")
def api() -> Generator[str]:
    """An API that answers with what it was sent."""
    with echo_api() as url:
        yield url
