"""What `docs/issuers/` shows can be written like that."""

import re
from pathlib import Path
from typing import Any

import pytest

from upstile.protocol import base64url_encode
from upstile.server.fastapi import StepUp

PAGES = sorted((Path(__file__).parents[2] / "docs" / "issuers").glob("*.md"))
BLOCKS = [
    (page.name, number, block)
    for page in PAGES
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S))
]


@pytest.mark.parametrize(("page", "number", "block"), BLOCKS, ids=[f"{page} {number}" for page, number, _ in BLOCKS])
def test_what_a_page_shows_makes_an_api(
    page: str, number: int, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UPSTILE_SECRET_KEYS", base64url_encode(bytes(32)))
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102
    if "verifier" in names:
        server = StepUp(url="https://api.example.com", verifier=names["verifier"])
        server.require(acr="mfa", max_age=300)
    assert names.keys() & {"server", "verifier", "by_methods", "client", "logins"}


def test_each_page_says_what_was_run() -> None:
    assert len(PAGES) == 7
    for page in PAGES:
        text = page.read_text()
        assert page.name == "README.md" or "**From documentation only**" in text or "Checked against" in text
    index = (PAGES[0].parent / "README.md").read_text()
    assert all(f"({page.name})" in index for page in PAGES if page.name != "README.md")
