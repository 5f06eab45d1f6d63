"""Every block of docs/testing.md runs: as a folder of files, in a pytest of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.guide_files import write_files

GUIDE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
TESTS = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of the guide; blocks of one name are one file, in their order."""
    write_files(GUIDE, tmp_path)
    return tmp_path


def test_every_block_is_in_a_file(tmp_path: Path) -> None:
    assert write_files(GUIDE, tmp_path) == GUIDE.count("```python")


def test_the_guide_s_tests_pass_in_an_empty_folder(folder: Path) -> None:
    done = _pytest(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{TESTS} passed" in done.stdout
    assert {path.suffix for path in folder.iterdir()} <= {".py", ""}, "a test left a file"


@pytest.mark.long
@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("orders.py", "Depends(RECENT_MFA)", "Depends(server.require())"),
        ("security.py", "max_age=300", "max_age=400"),
        ("security.py", 'acr="mfa"', 'acr="phr"'),
    ],
)
def test_its_tests_see_a_guard_that_asks_for_something_else(folder: Path, file: str, right: str, wrong: str) -> None:
    code = (folder / file).read_text()
    assert right in code
    changed = code.replace(right, wrong).replace("import RECENT_MFA", "import RECENT_MFA, server")
    (folder / file).write_text(changed)
    done = _pytest(folder, "test_orders.py", "test_time.py")
    assert done.returncode == 1
    assert "this is not the challenge that was expected" in done.stdout
    assert "_challenged.py" not in done.stdout, "the traceback shows code that is not the test's"


def _pytest(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603
