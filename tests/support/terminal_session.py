"""A terminal with a session of its own, in which programs are run one after another or together."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
_LEADER = """
import fcntl, json, os, subprocess, sys, termios
fcntl.ioctl(os.open(sys.argv[1], os.O_RDWR), termios.TIOCSCTTY, 0)
for line in sys.stdin:
    running = [subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True) for command in json.loads(line)]
    print(json.dumps([[*program.communicate(timeout=60), program.returncode] for program in running]), flush=True)
"""


class Session:
    """Runs programs of `tests/` in the session of one terminal."""

    def __init__(self, leader: "subprocess.Popen[str]") -> None:
        self._leader = leader

    def run(self, *programs: Sequence[str]) -> list[Any]:
        """What these programs, run at once, print as JSON."""
        assert self._leader.stdin is not None
        assert self._leader.stdout is not None
        self._leader.stdin.write(json.dumps([[sys.executable, *program] for program in programs]) + "\n")
        self._leader.stdin.flush()
        ended = json.loads(self._leader.stdout.readline())
        for _, errors, code in ended:
            assert code == 0, errors
        return [json.loads(printed) for printed, _, _ in ended]


@contextmanager
def terminal() -> Generator[Session]:
    """Open a terminal, and a session whose terminal it is."""
    person, own = pty.openpty()
    command = [sys.executable, "-c", _LEADER, os.ttyname(own)]
    path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    with subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=TESTS,
        env={**os.environ, "PYTHONPATH": path},
    ) as leader:
        try:
            yield Session(leader)
        finally:
            if leader.stdin is not None:
                leader.stdin.close()
            leader.wait(20)
            os.close(person)
            os.close(own)
