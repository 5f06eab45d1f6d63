"""A person at a pseudo terminal, in front of a prompter or of a whole program."""

import os
import pty
import select
import subprocess
import sys
import termios
from codecs import getincrementaldecoder
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread

_PATIENCE = 15
_TAKE_THE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


class Terminal:
    """A pseudo terminal: what the person types, what they see."""

    def __init__(self) -> None:
        self.person, own = pty.openpty()
        self.device = os.ttyname(own)
        self._own = own
        self.shown = ""
        self.is_wide(80)

    def is_wide(self, columns: int) -> None:
        """Make the window so many columns wide."""
        termios.tcsetwinsize(self._own, (24, columns))

    def types(self, text: str, after: str) -> Thread:
        """Type once a prompt was seen; joins with what was shown so far."""

        def wait_and_type() -> None:
            self.sees(after)
            os.write(self.person, text.encode())

        thread = Thread(target=wait_and_type, daemon=True)
        thread.start()
        return thread

    def sees(self, text: str) -> str:
        """Read until `text` has been shown."""
        shown, decoder = "", getincrementaldecoder("utf-8")()
        while text not in shown:
            ready, _, _ = select.select([self.person], [], [], _PATIENCE)
            assert ready, f"{text!r} never came: {shown!r}"
            shown += decoder.decode(os.read(self.person, 1024))
        self.shown += shown
        return shown

    def close(self) -> None:
        os.close(self.person)
        os.close(self._own)


class Sitting:
    """A person in front of a Python program, at a terminal of 80 columns.

    Args:
        arguments: those of the Python interpreter.
        cwd: where it runs.
        stdout: where its output goes, if not to the terminal.
        environment: changes to ours.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        stdout: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._person, own = pty.openpty()
        termios.tcsetwinsize(own, (24, 80))
        ours = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        self.program = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", _TAKE_THE_TERMINAL, *arguments],
            cwd=cwd,
            env={**ours, "TERM": "dumb", **(environment or {})},
            stdin=own,
            stdout=own if stdout is None else stdout,
            stderr=own,
            start_new_session=True,
        )
        os.close(own)
        self._decoder = getincrementaldecoder("utf-8")()
        self.shown = ""
        self._read = 0

    def sees(self, *texts: str) -> str:
        """Read until one of the texts is there; returns what was shown since the last time, that text included."""
        began = self._read
        while True:
            found = [at + len(text) for text in texts if (at := self.shown.find(text, began)) >= 0]
            if found:
                self._read = min(found)
                return self.shown[began : self._read]
            more = self._more()
            assert more, f"{texts} never came: {self.shown}"
            self.shown += more

    def types(self, text: str, *, after: str) -> str:
        """Type once a text was seen; returns what was shown until then."""
        seen = self.sees(after)
        self.writes(text)
        return seen

    def writes(self, text: str) -> None:
        """Type at once."""
        os.write(self._person, text.encode())

    def ends(self) -> int:
        """Read what is left; returns the exit code."""
        while more := self._more():
            self.shown += more
        return self.program.wait(20)

    def close(self) -> None:
        """Go away."""
        self.program.kill()
        self.program.wait(20)
        os.close(self._person)

    def _more(self) -> str:
        ready, _, _ = select.select([self._person], [], [], 30)
        assert ready, f"nothing more came: {self.shown}"
        try:
            return self._decoder.decode(os.read(self._person, 4096)) or self._more()
        except OSError:  # how Linux says that the other side is closed
            return ""
