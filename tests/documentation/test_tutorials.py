"""The tutorials do what they say: from an empty folder, with pip alone, block after block as they are written."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.pasted import free_port
from support.walked import Reader

pytestmark = pytest.mark.long
API, CLI = "docs/tutorials/api.md", "docs/tutorials/cli.md"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the set-up of the first tutorial made in an empty folder."""
    folder = tmp_path_factory.mktemp("set-up")
    Reader(folder, port=8000).only(API, "set up")
    return folder / ".venv"


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path, port=free_port(8000))
    yield reader
    reader.leaves()


def test_the_api_s_tutorial_ends_with_a_test_that_passes(reader: Reader, installed: Path, tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(installed)
    assert reader.walks(API) == [0, 0, 0, 0]
    assert "3 passed" in reader.shown


def test_the_command_line_s_tutorial_ends_with_a_test_that_passes(
    reader: Reader, installed: Path, tmp_path: Path
) -> None:
    (tmp_path / ".venv").symlink_to(installed)
    reader.only(API, "pasted: ")
    assert reader.walks(CLI) == [3, 0, 0, 0, 0, 0]
    assert "2 passed" in reader.shown


def test_the_readme_s_set_up_brings_what_its_files_and_its_commands_need(reader: Reader, tmp_path: Path) -> None:
    reader.only("README.md", "set up")
    reader.runs("python -c 'import upstile.server.fastapi, upstile.client, uvicorn' && upstile --help")
    assert str(tmp_path) in reader.runs("command -v upstile")
