"""The recording of a terminal in the documentation is what the prompter shows today, and so are the pictures."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

IMAGES = Path(__file__).parents[3] / "docs" / "images"


@pytest.mark.parametrize("name", ["terminal", "terminal-ways", "terminal-codes"])
def test_the_recording_is_up_to_date(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("TERM", "dumb")
    shown = runpy.run_path(str(IMAGES / "terminal.py"))["RECORDINGS"][name]()
    kept = (IMAGES / f"{name}.txt").read_text().rstrip("\n")
    assert _timeless(shown) == _timeless(kept)
    assert max(map(len, kept.split("\n"))) <= 60


def test_the_documentation_shows_the_recording_and_every_picture_in_both_looks() -> None:
    page = (IMAGES.parent / "screens.md").read_text()
    for recording in IMAGES.glob("*.txt"):
        assert f"```\n{recording.read_text().rstrip()}\n```" in page
    shown = set(re.findall(r"images/([\w-]+\.(?:png|svg))", page))
    assert shown == {file.name for file in IMAGES.iterdir() if file.suffix in (".png", ".svg")}
    of_both = {name for name in shown if "-light" in name or "-dark" in name}  # Swagger's page has one look
    assert {name.replace("-light", "-dark") for name in of_both} == {name for name in shown if "-dark" in name}


def test_the_flow_is_what_its_script_draws(tmp_path: Path) -> None:
    runpy.run_path(str(IMAGES / "flow.py"))["main"](tmp_path)
    for drawn in tmp_path.iterdir():
        assert drawn.read_text() == (IMAGES / drawn.name).read_text()
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.long
@pytest.mark.parametrize("script", ["window", "pay", "browser", "site"])
def test_the_pictures_are_those_that_the_scripts_make(script: str, tmp_path: Path) -> None:
    program = "import pathlib, runpy, sys; runpy.run_path(sys.argv[1])['main'](pathlib.Path(sys.argv[2]))"
    command = [sys.executable, "-c", program, str(IMAGES / f"{script}.py"), str(tmp_path)]
    subprocess.run(command, check=True, timeout=120)  # noqa: S603
    made, kept = _sizes(tmp_path), _sizes(IMAGES)
    assert made
    assert made.keys() == {name for name in kept if name.startswith(script)}
    for name, (width, height) in made.items():  # fonts differ a little from machine to machine
        assert (width, height) == pytest.approx(kept[name], rel=0.2), name


def _sizes(folder: Path) -> dict[str, tuple[int, int]]:
    sizes = dict[str, tuple[int, int]]()
    for file in folder.glob("*.png"):
        with Image.open(file) as picture:
            sizes[file.name] = picture.size
    return sizes


def _timeless(shown: str) -> str:
    return re.sub(r"(wait|again in) \d+ s", r"\1 17 s", shown)
