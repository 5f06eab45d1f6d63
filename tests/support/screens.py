"""The terminals that the prompter is held to its contract on: a pseudo terminal, and a Windows console in software."""

from collections import deque
from collections.abc import Callable
from io import StringIO
from threading import Thread
from time import sleep

from support.terminal import Terminal
from upstile.client.prompts._posix import PosixTerminal
from upstile.client.prompts._screen import Screen
from upstile.client.prompts._windows import WindowsConsole


class PosixSitting:
    """A person at a pseudo terminal."""

    enter = "\n"

    def __init__(self) -> None:
        self._terminal = Terminal()
        self.screen: Screen = PosixTerminal(self._terminal.device)

    def types(self, text: str, after: str) -> Thread:
        """Type once a prompt was seen."""
        return self._terminal.types(text, after)

    def shown(self) -> str:
        """All that was shown so far; returns when a mark that is written now has come."""
        self.screen.write("<mark>")
        self._terminal.sees("<mark>")
        return self._terminal.shown.replace("\r\n", "\n").replace("<mark>", "")

    def close(self) -> None:
        """Take the terminal away."""
        self._terminal.close()


class FakeConsole:
    """`msvcrt`, and the console behind it, as Microsoft documents them: keys come one by one and are not shown."""

    def __init__(self) -> None:
        self.keys: deque[str] = deque()
        self.text = ""

    def kbhit(self) -> bool:
        """Whether a key waits."""
        return bool(self.keys)

    def getwch(self) -> str:
        """The next key; the real one waits for it, so this one must not be asked too early."""
        assert self.keys, "getwch would have blocked"
        return self.keys.popleft()

    def opened(self) -> "_Output":
        """`CONOUT$`, opened for writing."""
        return _Output(self)


class _Output(StringIO):
    def __init__(self, console: FakeConsole) -> None:
        super().__init__()
        self._console = console

    def write(self, text: str) -> int:
        self._console.text += text
        return len(text)

    def fileno(self) -> int:
        raise OSError("no file")


class WindowsSitting:
    """A person at a Windows console."""

    enter = "\r"

    def __init__(self) -> None:
        self.console = FakeConsole()
        self._seen = 0
        self.screen: Screen = WindowsConsole(self.console, self.console.opened)

    def types(self, text: str, after: str) -> Thread:
        """Type, key by key, once a prompt was seen that was not seen before."""

        def wait_and_type() -> None:
            _until(lambda: after in self.console.text[self._seen :])
            self._seen = self.console.text.index(after, self._seen) + len(after)
            sleep(0.02)  # the prompter drops what was typed before it asked
            self.console.keys.extend(text)

        thread = Thread(target=wait_and_type, daemon=True)
        thread.start()
        return thread

    def shown(self) -> str:
        """All that was shown so far."""
        return self.console.text

    def close(self) -> None:
        """Nothing is held."""


Sitting = PosixSitting | WindowsSitting


def _until(true: Callable[[], bool]) -> None:
    for _ in range(2000):
        if true():
            return
        sleep(0.005)
    raise AssertionError("it never came")
