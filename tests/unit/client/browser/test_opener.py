"""What opens a page: a browser with a window, never a text browser."""

import os
import sys
from pathlib import Path

import pytest

from upstile.client import Browser, ConfigurationError
from upstile.client.authority.browser._opener import command_for, open_page

URL = "https://issuer.example/auth?a=b&c=d"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the commands of Linux")


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a screen and no program at all."""
    for name in ("BROWSER", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def add(folder: Path, name: str, script: str = "") -> Path:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def test_the_desktops_own_launcher_opens_it(programs: Path) -> None:
    opener = add(programs, "xdg-open")
    assert command_for(URL) == [str(opener), URL]


def test_the_persons_own_browser_goes_first(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(programs, "xdg-open")
    own = add(programs, "my-browser")
    monkeypatch.setenv("BROWSER", "missing:my-browser")
    assert command_for(URL) == [str(own), URL]


@pytest.mark.parametrize("name", ["lynx", "w3m", "links", "elinks", "www-browser"])
def test_a_text_browser_is_never_opened(programs: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    text = add(programs, name)
    (programs / "x-www-browser").symlink_to(text)
    monkeypatch.setenv("BROWSER", name)
    assert command_for(URL) is None
    assert not open_page(URL, Browser())


def test_without_a_screen_nothing_is_opened(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(programs, "xdg-open")
    monkeypatch.delenv("DISPLAY")
    assert command_for(URL) is None


def test_what_is_started_has_neither_our_terminal_nor_our_output(programs: Path) -> None:
    seen = programs / "seen"
    os.mkfifo(seen)
    add(programs, "xdg-open", f'test -t 0 || test -t 1 || test -t 2 || echo "$1" > {seen}')
    assert open_page(URL, Browser())
    assert seen.read_text().strip() == URL  # waits for it


def test_the_app_may_open_it_itself_or_forbid_it(programs: Path) -> None:
    add(programs, "xdg-open", "exit 1")
    opened: list[str] = []
    assert open_page(URL, Browser(opens=opened.append))
    assert opened == [URL]
    assert not open_page(URL, Browser(opens=False))
    assert not open_page(URL, Browser(opens=lambda url: False))
    assert not open_page(URL, Browser(opens=lambda url: 1 / 0))


@pytest.mark.parametrize(
    "wrong", [{"path": "callback"}, {"path": "/a?b"}, {"path": ""}, {"port": 70_000}, {"scope": "a"}]
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        Browser(**wrong)  # type: ignore[arg-type]
