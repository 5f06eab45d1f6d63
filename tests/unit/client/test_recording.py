"""The recording of a terminal in the documentation is what the prompter shows today."""

import re
import runpy
from pathlib import Path

import pytest

IMAGES = Path(__file__).parents[3] / "docs" / "images"


def test_the_recording_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    shown = runpy.run_path(str(IMAGES / "terminal.py"))["_recorded"]()
    kept = (IMAGES / "terminal.txt").read_text().rstrip("\n")
    assert _timeless(shown) == _timeless(kept)
    assert max(map(len, kept.split("\n"))) <= 60


def _timeless(shown: str) -> str:
    return re.sub(r"wait \d+ s", "wait 17 s", shown)
