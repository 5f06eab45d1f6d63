"""The command `upstile`: an API that steps up, called from a shell."""

import os
import signal
import sys
from importlib.util import find_spec
from types import FrameType


def main() -> None:
    """Run the command; docs/cli.md says what its exit codes mean."""
    if find_spec("typer") is None:
        sys.stderr.write("upstile needs typer: pip install 'upstile[cli]'\n")
        sys.exit(2)
    from upstile.client.cli._command import command
    from upstile.client.cli._ending import BROKEN_PIPE

    signal.signal(signal.SIGTERM, _leave)
    try:
        command(prog_name="upstile")
    except SystemExit as end:
        sys.exit(end.code if _flushed() else BROKEN_PIPE)


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
