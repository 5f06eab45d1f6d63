"""The controlling terminal on Linux, macOS and other systems with `/dev/tty`."""

import atexit
import os
import re
import select
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from threading import Event

from upstile.client._errors import NoMethodAvailable, StepUpCancelled
from upstile.client.prompts._screen import NARROWEST, Above, may_move
from upstile.client.words import said

_POLL = 0.1
_LONGEST = 4096
"""Of a line, so that no password is cut: what a terminal itself gives up at."""
_PASTED = re.compile(r"\x1b\[20[01]~")  # what a terminal puts around a paste where an app has asked for it
_UP = "\x1b7\x1b[1A\r\x1b[2K{}\x1b8"  # keep the place, rewrite the row above, go back: DECSC, CUU, EL, DECRC


class PosixTerminal:
    """A terminal device.

    Args:
        device: its path.
    """

    def __init__(self, device: str = "/dev/tty") -> None:
        self._device = device

    def write(self, text: str) -> None:
        """Write as it is."""
        with self._opened() as terminal, _line_mode(terminal):
            _write(terminal, text)

    def ask(self, prompt: str, cancel: Event, *, hidden: bool, above: Above | None = None) -> str:
        """Write the prompt and read a line."""
        with self._opened() as terminal, _line_mode(terminal, asks=True, echo=not hidden):
            tick = _nothing if above is None else _row_above(terminal, above)
            _write(terminal, prompt)
            line = _read_line(terminal, cancel, tick)
            if hidden:
                _write(terminal, "\n")
        return line

    def columns(self) -> int:
        """How wide it is; 80 where it does not know."""
        with self._opened() as terminal:
            return _columns(terminal)

    @contextmanager
    def _opened(self) -> Generator[int]:
        try:
            terminal = os.open(self._device, os.O_RDWR | os.O_NOCTTY)
        except OSError as error:
            raise NoMethodAvailable(**said("no-terminal", device=self._device)) from error
        try:
            _must_be_in_front(terminal)
            yield terminal
        except (OSError, _termios_error()) as error:  # such as EIO, once its window is closed
            raise NoMethodAvailable(**said("terminal-gone", why=error)) from error
        finally:
            os.close(terminal)


def _termios_error() -> type[Exception]:
    from termios import error  # here, because not every system has it

    return error


def _must_be_in_front(terminal: int) -> None:
    """A job in the background would be stopped at its first question, and nobody would know why."""
    try:
        in_front = os.tcgetpgrp(terminal)
    except OSError:  # not our controlling terminal: nobody stops us
        return
    if in_front not in (0, os.getpgrp()):
        raise NoMethodAvailable(**said("background"))


def _write(terminal: int, text: str) -> None:
    left = text.encode("utf-8", "replace")
    while left:
        left = left[os.write(terminal, left) :]


def _columns(terminal: int) -> int:
    try:
        return max(os.get_terminal_size(terminal).columns or 80, NARROWEST)
    except OSError:
        return 80


def _nothing() -> None:
    return None


def _row_above(terminal: int, above: Above) -> Callable[[], None]:
    """Write a row, and rewrite it whenever it says something else; what is typed below stays where it is."""
    said, movable = above(), may_move() and len(above()) < _columns(terminal)
    _write(terminal, f"{said}\n")

    def tick() -> None:
        nonlocal said
        now = above()
        if movable and now != said:
            said = now
            _write(terminal, _UP.format(said))

    return tick


def _read_line(terminal: int, cancel: Event, tick: Callable[[], None]) -> str:
    """A line, or `StepUpCancelled` when nobody waits for it any more, or at the end of input."""
    while not cancel.is_set():
        ready, _, _ = select.select([terminal], [], [], _POLL)
        if ready:
            line = os.read(terminal, _LONGEST)
            if not line:  # Ctrl-D, or nobody is there any more: then this fails
                _write(terminal, "\n")
                raise StepUpCancelled(**said("person-cancelled"))
            return _PASTED.sub("", line.decode("utf-8", "replace").rstrip("\r\n"))
        tick()
    raise StepUpCancelled(**said("cancelled"))


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
