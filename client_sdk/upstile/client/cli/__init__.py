"""The command `upstile`: an API that steps up, called from a shell. `upstile._start` looks whether it can run."""

import os
import signal
import sys
from types import FrameType
from typing import Any


def run() -> None:
    """Run the command; it ends the process."""
    from upstile.client.cli._command import command
    from upstile.client.cli._ending import BROKEN_PIPE

    signal.signal(signal.SIGTERM, _leave)
    _have_streams()
    try:
        command(prog_name="upstile")
    except SystemExit as end:
        sys.exit(end.code if _flushed() else BROKEN_PIPE)


def _have_streams() -> None:
    """A stream that whoever started us has closed is none at all, and what a locale cannot write is replaced."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115 - for as long as we run
    out: Any = sys.stdout
    if hasattr(out, "reconfigure"):
        out.reconfigure(errors="replace")


def _leave(number: int, frame: FrameType | None) -> None:
    """End as the signal says, but in order: a terminal that was made ready for a PIN gets its echo back."""
    sys.exit(128 + number)


def _flushed() -> bool:
    """Whether whoever reads our output took all of it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # else the interpreter would try again, and complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True
