"""Code of the documentation, run as it stands there, and the person in front of it."""

import re
import socket
from pathlib import Path
from time import time
from typing import Any

from support.totp import code_at, seed_in
from upstile.client import CallbackPrompter

ROOT = Path(__file__).parents[2]
WRITTEN = "http://localhost:8000"
"""The address that the documentation has."""
_FROM_EACH_OTHER = re.compile(r"^from examples\..*\n", re.MULTILINE)


def run(url: str, *files: str) -> dict[str, Any]:
    """Run files of the examples as one, with another address; returns their names."""
    module: dict[str, Any] = {"__name__": Path(files[0]).stem}
    for file in files:
        source = _FROM_EACH_OTHER.sub("", (ROOT / file).read_text()).replace(WRITTEN, url)
        exec(compile(source, file, "exec"), module)  # noqa: S102
    return module


def free_port(wanted: int) -> int:
    """A port of this machine that is free: the wanted one if it is."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", wanted))
        except OSError:
            listener.bind(("127.0.0.1", 0))
        taken: int = listener.getsockname()[1]
        return taken


class Person:
    """Reads codes: the last step's to verify the enrolment, so that this step's is still unused."""

    def __init__(self) -> None:
        self.seed = b""
        self.asked: list[str] = []
        self.prompter = CallbackPrompter(show_key_uri=self.scan, code=self.code)

    def scan(self, uri: str) -> None:
        """Take the seed."""
        self.seed = seed_in(uri.partition("secret=")[2].partition("&")[0])

    def code(self, label: str) -> str:
        """The code of this step, or of the last one the first time."""
        self.asked.append(label)
        return code_at(self.seed, int(time()) // 30 + len(self.asked) - 2)
