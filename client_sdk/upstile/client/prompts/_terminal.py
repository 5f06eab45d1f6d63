"""The person at the terminal: asked on the terminal itself, never on stdout, never through a pipe."""

import atexit
import os
import re
import select
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from threading import Event
from urllib.parse import parse_qs, urlsplit

from upstile.client._errors import NoMethodAvailable, StepUpCancelled
from upstile.client._text import harmless
from upstile.client.prompts._prompter import Occasion
from upstile.protocol import plain_code

_POLL = 0.1
_LONGEST = 256
_LONGEST_URI = 1000
_PASTED = re.compile(r"\x1b\[20[01]~")  # what a terminal puts around a paste where an app has asked for it


class TerminalPrompter:
    """Asks on the controlling terminal (`/dev/tty`), whatever stdin and stdout are connected to.

    Args:
        device: the terminal.
    """

    def __init__(self, device: str = "/dev/tty") -> None:
        self._device = device

    def begin(self, occasion: Occasion, method: str, others: Sequence[str], cancel: Event) -> str:
        """Say why, and offer to change the method."""
        account = f" as {occasion.account}" if occasion.account else ""
        self._say(f"{occasion.server} asks {occasion.app}{account} to confirm it is you.")
        if occasion.reason:
            self._say(f"  The API says: “{occasion.reason}”")
        if not others:
            self._say(f"  Continuing with {method}.")
            return method
        names = [method, *others]
        numbered = ", ".join(f"{n} {name}" for n, name in enumerate(names, 1))
        choices = {"": method, **{str(n): name for n, name in enumerate(names, 1)}, **{name: name for name in names}}
        while True:
            prompt = f"  Continuing with {method}; Enter, or change with {numbered}: "
            answer = self._ask(prompt, cancel, hidden=False).strip()
            if answer in choices:
                return choices[answer]

    def code(self, label: str, cancel: Event) -> str:
        """Ask for a one-time code; it is shown while it is typed, because it is good once."""
        while not plain_code(code := self._ask(f"  {label}: ", cancel, hidden=False)):
            continue
        return code.strip()

    def pin(self, label: str, retries: int | None, cancel: Event) -> str:
        """Ask for a PIN, unseen."""
        left = "" if retries is None else f" ({retries} tries left)"
        return self._ask(f"  {label}{left}: ", cancel, hidden=True)

    def touch(self, label: str) -> None:
        """Say that a key waits."""
        self._say(f"  {label}")

    def show_key_uri(self, uri: str) -> None:
        """Show the key URI, and its secret to type; an app with a picture to show brings its own prompter."""
        shown = harmless(uri, longest=_LONGEST_URI)
        if shown != uri:
            self._say("  The key URI is malformed.")
            return
        self._say(f"  Add this to your authenticator app: {uri}")
        secret = "".join(parse_qs(urlsplit(uri).query).get("secret", ()))
        if secret:
            self._say(f"  or type this secret: {' '.join(secret[n : n + 4] for n in range(0, len(secret), 4))}")

    def rejected(self, attempts_left: int) -> None:
        """Say that the answer was wrong."""
        self._say(f"  That was not right. A code works once: the next one may do. Attempts left: {attempts_left}.")

    def finished(self, accepted: bool) -> None:
        """Say how it ended."""
        self._say("  Confirmed." if accepted else "  Not confirmed.")

    def _say(self, text: str) -> None:
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        with self._terminal() as terminal, _line_mode(terminal):
            os.write(terminal, text.encode())

    def _ask(self, prompt: str, cancel: Event, *, hidden: bool) -> str:
        with self._terminal() as terminal, _line_mode(terminal, asks=True, echo=not hidden):
            os.write(terminal, prompt.encode())
            line = _read_line(terminal, cancel)
            if hidden:
                os.write(terminal, b"\n")
        return line

    @contextmanager
    def _terminal(self) -> Generator[int]:
        if sys.platform == "win32":
            # NOTE: Windows has no /dev/tty; a console of its own needs another prompter.
            raise NoMethodAvailable(
                "This system has no terminal device to ask on", next_step="Pass prompter= to the client."
            )
        try:
            terminal = os.open(self._device, os.O_RDWR | os.O_NOCTTY)
        except OSError as error:
            raise NoMethodAvailable(
                "There is no terminal to ask on",
                next_step="Run the app in a terminal, or pass prompter= to the client.",
            ) from error
        try:
            yield terminal
        finally:
            os.close(terminal)


def _read_line(terminal: int, cancel: Event) -> str:
    """A line, or `StepUpCancelled` when nobody waits for it any more, or at the end of input."""
    while not cancel.is_set():
        ready, _, _ = select.select([terminal], [], [], _POLL)
        if ready:
            line = os.read(terminal, _LONGEST)
            if not line:
                break
            return _PASTED.sub("", line.decode("utf-8", "replace").rstrip("\r\n"))
    raise StepUpCancelled("The ceremony was cancelled")


@contextmanager
def _line_mode(terminal: int, *, asks: bool = False, echo: bool = True) -> Generator[None]:
    """Read and write whole lines, in whatever mode the app or a progress bar has left the terminal.

    Args:
        terminal: where.
        asks: whether something will be typed: what was typed before the question does not answer it.
        echo: whether it is seen.
    """
    import termios  # here, because not every system has it

    before, wanted = termios.tcgetattr(terminal), termios.tcgetattr(terminal)
    wanted[0] = (wanted[0] | termios.ICRNL | termios.BRKINT) & ~(termios.IGNCR | termios.INLCR)
    wanted[1] |= termios.OPOST | termios.ONLCR
    wanted[3] |= termios.ICANON | termios.ISIG | termios.IEXTEN | termios.ECHOE | termios.ECHOK
    wanted[3] = wanted[3] | termios.ECHO if echo else wanted[3] & ~(termios.ECHO | termios.ECHONL)

    def restore() -> None:
        with suppress(OSError, termios.error):
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)

    if wanted == before and not asks:
        yield
        return
    atexit.register(restore)  # the ceremony's thread ends with the program, wherever it is
    try:
        termios.tcsetattr(terminal, termios.TCSAFLUSH if asks else termios.TCSADRAIN, wanted)
        yield
    finally:
        atexit.unregister(restore)
        restore()
