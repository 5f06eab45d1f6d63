"""What the client promises, taken out one by one: each time a test must notice.

`client.toml` is the table: a file, its exact text, the text without the behaviour, and the test that has to fail then.
An old text that is not found is a failure, and so is a test that passes without the behaviour.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = Path("client_sdk/upstile/client")
NOTICED = 1
"""What pytest exits with where a test has failed; it could not run is another number."""
SAMPLE = {"a token goes to the origin of the API only", "a refusal is shared by all who wait"}
"""What the everyday lane takes out."""
BEHAVIOURS = range(1, 14)


@dataclass(frozen=True, kw_only=True)
class Removal:
    """One behaviour, and how to take it out.

    Attributes:
        number: which of the thirteen it belongs to.
        says: the behaviour.
        file: below the client's folder.
        old, new: the exact text with it, and without it.
        test: the test that notices.
    """

    number: int
    says: str
    file: str
    old: str
    new: str
    test: str

    def taken_out(self) -> str:
        """The file without the behaviour."""
        text = (ROOT / CLIENT / self.file).read_text()
        assert text.count(self.old) == 1, f"{self.file} does not hold this text once: {self.old}"
        return text.replace(self.old, self.new)


REMOVALS = [Removal(**row) for row in tomllib.loads((Path(__file__).parent / "client.toml").read_text())["removal"]]


def test_each_behaviour_is_taken_out_somewhere() -> None:
    assert {removal.number for removal in REMOVALS} == set(BEHAVIOURS)
    assert {removal.says for removal in REMOVALS} >= SAMPLE


@pytest.mark.parametrize("removal", REMOVALS, ids=lambda removal: removal.says)
def test_the_table_is_that_of_the_code(removal: Removal) -> None:
    compile(removal.taken_out(), removal.file, "exec")
    path, _, name = removal.test.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text()


def _rows() -> list[Any]:
    return [
        pytest.param(removal, id=removal.says, marks=() if removal.says in SAMPLE else pytest.mark.long)
        for removal in REMOVALS
    ]


@pytest.mark.parametrize("removal", _rows())
def test_without_it_its_test_fails(removal: Removal, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "client_sdk", tmp_path / "client_sdk", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / CLIENT / removal.file).write_text(removal.taken_out())
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "long or not long", removal.test],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "client_sdk")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == NOTICED, f"{removal.test} did not notice:\n{done.stdout[-3000:]}{done.stderr[-1000:]}"
