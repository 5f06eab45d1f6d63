"""A page of the documentation that a reader walks through: its blocks one after the other, in an empty folder.

What to do with a block is said by the comment before it:

    set up                  the installation, from this repository, unless it is there; what follows runs with it
    pasted: FILE            written to a file; with `, at the end` appended to it
    serve                   an API, from here on; what is appended to its file is waited for
    shell                   a command
    person                  commands at a terminal, where somebody types password and codes
    prints                  lines that the command before it has shown
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from threading import Condition, Thread
from time import time

from support.terminal import Sitting
from support.totp import code_at, seed_in

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^<!-- (?P<what>[^\n]+) -->\n```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_STARTED = "Application startup complete"
_PATIENCE = 30
_LINES = """
import json, subprocess, sys
for line in json.loads(sys.argv[1]):
    code = subprocess.call(line, shell=True)
    print(f"<exit {code}>", file=sys.stderr, flush=True)
"""
_SECRET, _FIRST, _CODE = (
    "type this secret: ",
    "First code that your authenticator app shows: ",
    "Code from your authenticator app: ",
)
_ENDED = re.compile(r"<exit (\d+)>")


def run_shell(code: str, folder: Path, environment: Mapping[str, str], typed: str = "") -> str:
    """Run commands, which have to succeed; returns what they print."""
    done = subprocess.run(  # noqa: S603
        ["/bin/sh", "-ec", code],
        cwd=folder,
        env=environment,
        input=typed,
        timeout=300,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


class Reader:
    """Somebody who reads a page and does what it says.

    Args:
        folder: where; it is empty at first.
        port: what stands in for 8000.

    Attributes:
        shown: what the last command printed.
    """

    def __init__(self, folder: Path, *, port: int) -> None:
        self.shown = ""
        self._folder, self._port = folder, port
        path = f"{folder / '.venv' / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._environment = os.environ | {"PATH": path, "XDG_STATE_HOME": str(folder / "state")}
        self._served: _Served | None = None

    def walks(self, page: str) -> list[int]:
        """Do all of it; returns how the commands at the terminal ended."""
        ended = list[int]()
        for block in BLOCK.finditer((ROOT / page).read_text()):
            ended += self._does(block["what"], self._here(block["code"])) or []
        return ended

    def only(self, page: str, *whats: str) -> None:
        """Do only those blocks of a page whose comments begin so."""
        for block in BLOCK.finditer((ROOT / page).read_text()):
            if block["what"].startswith(whats):
                self._does(block["what"], self._here(block["code"]))

    def runs(self, command: str) -> str:
        """Run a command of a test's own; returns what it prints."""
        return self._run(command)

    def leaves(self) -> None:
        """Stop what runs."""
        if self._served is not None:
            self._served.stop()
            self._served = None

    def _does(self, what: str, code: str) -> list[int] | None:
        verb, _, rest = what.partition(": ")
        match verb:
            case "pasted":
                self._paste(rest, code)
            case "serve":
                command = code.strip() if self._port == 8000 else f"{code.strip()} --port {self._port}"
                self._served = _Served(command, self._folder, self._environment)
            case "set up":
                if not (self._folder / ".venv").exists():
                    self.shown = self._run(code)
            case "shell":
                self.shown = self._run(code)
            case "person":
                return self._at_a_terminal(code.splitlines())
            case "prints":
                shown = [" ".join(line.split()) for line in self.shown.splitlines()]
                for line in code.splitlines():
                    assert any(line in seen for seen in shown), f"{line!r} was not printed: {self.shown}"
            case _:
                assert verb == "fragment", what
        return None

    def _paste(self, where: str, code: str) -> None:
        file, _, at_the_end = where.partition(", ")
        began = self._served.starts if self._served is not None else 0
        with (self._folder / file).open("a" if at_the_end else "w") as opened:
            opened.write(code)
        if at_the_end and self._served is not None:
            self._served.starts_again(began)

    def _here(self, code: str) -> str:
        here = code.replace("/path/to/clone", str(ROOT)).replace("localhost:8000", f"localhost:{self._port}")
        return here.replace("port=8000", f"port={self._port}")

    def _run(self, code: str) -> str:
        return run_shell(code, self._folder, self._environment)

    def _at_a_terminal(self, lines: list[str]) -> list[int]:
        arguments = ["-c", _LINES, json.dumps(lines)]
        with closing(Sitting(arguments, cwd=self._folder, environment=self._environment)) as person:
            _types(person, len(lines))
            assert person.ends() == 0
        self.shown = person.shown
        return [int(code) for code in _ENDED.findall(person.shown)]


class _Served:
    """An API that runs as the page says, and what it prints."""

    def __init__(self, command: str, folder: Path, environment: dict[str, str]) -> None:
        self.starts = 0
        self._started = Condition()
        arguments = ["sh", "-c", f"exec {command}"]
        self._program = subprocess.Popen(arguments, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)  # noqa: S603
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        self.starts_again(0)

    def starts_again(self, before: int) -> None:
        """Wait for it."""
        with self._started:
            assert self._started.wait_for(lambda: self.starts > before, _PATIENCE), "the API did not start"

    def stop(self) -> None:
        """End it."""
        self._program.terminate()
        self._program.wait(_PATIENCE)
        self._reader.join(_PATIENCE)

    def _read(self) -> None:
        assert self._program.stderr is not None
        with self._program.stderr as lines:
            for line in lines:
                if _STARTED in line:
                    with self._started:
                        self.starts += 1
                        self._started.notify_all()


def _types(person: Sitting, lines: int) -> None:
    """Password, and codes of the last, this and the next half minute, so that none is used twice."""
    seed, steps = b"", _steps()
    while lines:
        seen = person.sees("assword: ", _SECRET, _FIRST, _CODE, "<exit ")
        if seen.endswith("<exit "):
            lines -= 1
        elif seen.endswith("assword: "):
            person.writes("correct horse\n")
        elif seen.endswith(_SECRET):
            seed = seed_in(person.sees("\n").replace(" ", "").strip())
        else:
            person.writes(f"{code_at(seed, next(steps))}\n")


def _steps() -> Iterator[int]:
    asked = 0
    while True:
        asked += 1
        yield int(time()) // 30 + asked - 2
