"""A person at a pseudo terminal, in front of a prompter."""

import os
import pty
import select
import termios
from codecs import getincrementaldecoder
from threading import Thread

_PATIENCE = 15


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
