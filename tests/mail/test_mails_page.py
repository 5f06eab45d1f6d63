"""docs/mails.md shows the mails of today, and every picture in both looks."""

import re
import runpy
from pathlib import Path

import pytest
from PIL import Image

from upstile.server.mail.notices._kinds import MAILS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "mails.md").read_text()


def sizes(folder: Path) -> dict[str, tuple[int, int]]:
    """How large the pictures of a folder are."""
    found: dict[str, tuple[int, int]] = {}
    for file in folder.iterdir():
        with Image.open(file) as picture:
            found[file.name] = picture.size
    return found


def test_the_texts_are_up_to_date() -> None:
    assert runpy.run_path(str(DOCS / "images" / "mails.py"))["rewritten"](PAGE) == PAGE


def test_every_picture_is_shown_in_both_looks() -> None:
    shown = set(re.findall(r"images/mails/([\w-]+)-(?:light|dark)\.png", PAGE))
    assert {f"{name}-{look}.png" for name in shown for look in ("light", "dark")} == {
        file.name for file in (DOCS / "images" / "mails").iterdir()
    }
    assert len(shown) == PAGE.count("<picture>")


def test_the_page_says_which_event_has_which_mail() -> None:
    table = PAGE.partition("| event | mail |")[2].partition("\n\n")[0]
    said: dict[str, str] = {}
    for kinds, mail in re.findall(r"^\| (`.*`) \| (\w+) \|$", table, re.MULTILINE):
        for kind in re.findall(r"`([\w-]+)`", kinds):
            said[f"authenticator{kind}" if kind.startswith("-") else kind] = mail
    assert said == MAILS


@pytest.mark.long
def test_the_pictures_are_those_that_chromium_makes(tmp_path: Path) -> None:
    runpy.run_path(str(DOCS / "images" / "mails.py"))["main"](tmp_path)
    made, kept = sizes(tmp_path), sizes(DOCS / "images" / "mails")
    assert made.keys() == kept.keys()
    for name, (width, height) in made.items():  # fonts differ a little from machine to machine
        assert width == kept[name][0]
        assert abs(height - kept[name][1]) < 100
