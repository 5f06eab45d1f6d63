"""Opening a browser: one with a window of its own, never a text browser, which would take our terminal."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread

from upstile.client.authority.browser._settings import Browser

_TEXT = frozenset({"www-browser", "links", "links2", "elinks", "lynx", "w3m", "browsh", "carbonyl", "retawq", "netrik"})
_LAUNCHERS = ("xdg-open", "wslview", "gio", "x-www-browser", "sensible-browser")
"""What opens a page on a desktop of Linux or BSD, in the order in which they are tried."""


def open_page(url: str, settings: Browser) -> bool:
    """Open a page, if the app lets us and there is a browser; whether the person has seen it nobody can tell.

    Returns:
        Whether a browser was started.
    """
    if not settings.opens:
        return False
    opens: Callable[[str], object] = settings.opens if callable(settings.opens) else _start
    with suppress(Exception):  # the URL is shown in any case
        return opens(url) is not False
    return False


def _start(url: str) -> bool:
    if sys.platform == "win32":
        os.startfile(url)  # noqa: S606 - an http URL, which the system hands to its browser
        return True
    command = command_for(url)
    if command is None:
        return False
    nowhere = subprocess.DEVNULL  # whatever is started, and whatever that starts: our terminal is not theirs
    started = subprocess.Popen(  # noqa: S603 - our own command, and a URL without blanks or quotes as one argument
        command, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True
    )
    Thread(target=started.wait, name="upstile browser", daemon=True).start()  # so that it leaves no zombie
    return True


def command_for(url: str) -> list[str] | None:
    """The command that opens a page here; `None` where there is no screen, or no browser for it."""
    if sys.platform == "darwin":
        return None if _is_remote() else ["/usr/bin/open", url]
    if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        return None
    wished = [name for name in os.environ.get("BROWSER", "").split(os.pathsep) if name and " " not in name]
    for name in (*wished, *_LAUNCHERS):
        found = shutil.which(name)
        if found is not None and not _is_text(found):
            return [found, "open", url] if name == "gio" else [found, url]
    return None


def _is_text(program: str) -> bool:
    """By the name, and by what it is a link to: `x-www-browser` may be one."""
    return not _TEXT.isdisjoint({Path(program).name, Path(program).resolve().name})


def _is_remote() -> bool:
    return bool(os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"))
