"""What the client promises, taken out one by one: each time a test must notice.

`client.toml` is the table: a file, its exact text, the text without the behaviour, and the test that has to fail then.
An old text that is not found is a failure, and so is a test that passes without the behaviour, or does not end. What
two places defend, each for itself, is taken out of both: `also` names the second.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = Path("client_sdk/upstile/client")
NOTICED = 1
"""What pytest exits with where a test has failed; it could not run is another number."""
PATIENCE = 120
"""Seconds that a test may take, on a machine that has much to do."""
SAMPLE = {"a token goes to the origin of the API only", "a refusal is shared by all who wait"}
"""What the everyday lane takes out."""
BEHAVIOURS = range(1, 14)


@dataclass(frozen=True, kw_only=True)
class Edit:
    """What is changed in one place.

    Attributes:
        file: below the client's folder.
        old, new: the exact text with the behaviour, and without it.
    """

    file: str
    old: str
    new: str

    def made(self, text: str) -> str:
        """The text of the file without it."""
        assert text.count(self.old) == 1, f"{self.file} does not hold this text once: {self.old}"
        return text.replace(self.old, self.new)


@dataclass(frozen=True, kw_only=True)
class Removal:
    """One behaviour, and how to take it out.

    Attributes:
        number: which of the thirteen it belongs to.
        says: the behaviour.
        test: the test that notices.
        edits: what has to go, one after the other.
    """

    number: int
    says: str
    test: str
    edits: tuple[Edit, ...]

    @classmethod
    def of(cls, *, number: int, says: str, test: str, also: Sequence[Mapping[str, str]] = (), **edit: str) -> "Removal":
        """A row of the table."""
        return cls(number=number, says=says, test=test, edits=tuple(Edit(**each) for each in (edit, *also)))

    def taken_out(self) -> dict[str, str]:
        """The files without the behaviour, by where they are below the client's folder."""
        texts = {edit.file: (ROOT / CLIENT / edit.file).read_text() for edit in self.edits}
        for edit in self.edits:
            texts[edit.file] = edit.made(texts[edit.file])
        return texts


REMOVALS = [Removal.of(**row) for row in tomllib.loads((Path(__file__).parent / "client.toml").read_text())["removal"]]


def test_each_behaviour_is_taken_out_somewhere() -> None:
    assert {removal.number for removal in REMOVALS} == set(BEHAVIOURS)
    assert {removal.says for removal in REMOVALS} >= SAMPLE


@pytest.mark.parametrize("removal", REMOVALS, ids=lambda removal: removal.says)
def test_the_table_is_that_of_the_code(removal: Removal) -> None:
    for file, text in removal.taken_out().items():
        compile(text, file, "exec")
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
    for file, text in removal.taken_out().items():
        (tmp_path / CLIENT / file).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "long or not long"]
    options: dict[str, Any] = {"cwd": ROOT, "env": {**os.environ, "PYTHONPATH": str(tmp_path / "client_sdk")}}
    try:
        done = subprocess.run(  # noqa: S603
            [*command, removal.test], capture_output=True, text=True, timeout=PATIENCE, **options
        )
    except subprocess.TimeoutExpired:
        pytest.fail(f"{removal.test} hangs without it: bound what it waits for, so that it fails", pytrace=False)
    assert done.returncode == NOTICED, f"{removal.test} did not notice:\n{done.stdout[-3000:]}{done.stderr[-1000:]}"
