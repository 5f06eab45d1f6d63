"""A person's shell: the command `upstile` in this process, with streams in place of a terminal; or at a real one."""

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from threading import Thread

import pytest

from support.terminal import Sitting, Terminal
from upstile.client.cli._command import command
from upstile.client.prompts import _terminal
from upstile.client.prompts._posix import PosixTerminal

UPSTILE = ("-m", "upstile.client.cli")
_LINES = """
import json, subprocess, sys
for line in json.loads(sys.argv[1]):
    code = subprocess.call([sys.executable, *line])
    print(f"<exit {code}>", file=sys.stderr, flush=True)
"""
_NOTING = """
import atexit, sys
from pathlib import Path
path = sys.argv.pop(1)
atexit.register(lambda: Path(path).write_text(" ".join(sys.modules)))
from upstile._start import main
main()
"""


def noting(path: Path) -> list[str]:
    """Arguments of Python that run `upstile` and note in a file what it has loaded by its end."""
    return ["-c", _NOTING, str(path)]


def loaded(path: Path) -> set[str]:
    """The packages that were noted there."""
    return {name.partition(".")[0] for name in path.read_text().split()}


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended.

    Attributes:
        code: the exit code.
        body: standard output.
        error: standard error.
    """

    code: int
    body: bytes
    error: str

    @property
    def out(self) -> str:
        """Standard output as text."""
        return self.body.decode()

    def sentence(self, code: int) -> str:
        """What it said about its failure, in one line, with nothing on standard output."""
        assert (self.code, self.out) == (code, ""), self
        [line] = self.error.splitlines()
        assert line.startswith("upstile: ")
        return line.removeprefix("upstile: ")


class Stream(TextIOWrapper):
    """A standard stream in memory."""

    def __init__(self, content: bytes = b"", *, terminal: bool = False) -> None:
        self.bytes = BytesIO(content)
        super().__init__(self.bytes, "utf-8", write_through=True)
        self._terminal = terminal

    def isatty(self) -> bool:
        """Whether it poses as a terminal."""
        return self._terminal


class Shell:
    """Runs `upstile` in this process, at a home of its own, with a terminal for what it asks."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self._patch = monkeypatch
        for name in ("PROFILE", "API", "CLIENT_ID", "ISSUER", "STORE", "INTERACTION", "TOKEN"):
            monkeypatch.delenv(f"UPSTILE_{name}", raising=False)
        monkeypatch.setenv("XDG_STATE_HOME", str(home))
        monkeypatch.setenv("COLUMNS", "80")
        self.terminal = Terminal()
        monkeypatch.setattr(_terminal, "_own_screen", lambda: PosixTerminal(self.terminal.device))

    def run(
        self,
        *arguments: str,
        typed: Sequence[tuple[str, str]] = (),
        piped: bytes = b"",
        on_terminal: bool = False,
    ) -> Done:
        """Run it to its end.

        Args:
            arguments: what stands behind `upstile`.
            typed: what is typed after which question.
            piped: standard input.
            on_terminal: whether the standard streams are a terminal.
        """
        out, error = Stream(terminal=on_terminal), Stream()
        person = Thread(target=self._type, args=(typed,), daemon=True)
        with self._patch.context() as patch:
            patch.setattr(sys, "stdin", Stream(piped, terminal=on_terminal))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", error)
            person.start()
            with pytest.raises(SystemExit) as end:
                command(list(arguments), prog_name="upstile")
        person.join(20)
        code = end.value.code
        return Done(
            code=code if isinstance(code, int) else 0, body=out.bytes.getvalue(), error=error.bytes.getvalue().decode()
        )

    def set(self, **environment: str) -> None:
        """Set variables of the environment."""
        for name, value in environment.items():
            self._patch.setenv(name, value)

    def files(self) -> str:
        """All that is kept, as text."""
        return "\n".join(path.read_text() for path in self.home.rglob("*.json"))

    def _type(self, typed: Sequence[tuple[str, str]]) -> None:
        for after, text in typed:
            self.terminal.types(text, after).join()


def sitting(
    home: Path, *lines: Sequence[str], stdout: int | None = None, environment: Mapping[str, str] | None = None
) -> "closing[Sitting]":
    """A person at a terminal, where these runs of Python follow one another; each ends with `<exit N>`."""
    return closing(
        Sitting(
            ["-c", _LINES, json.dumps([list(line) for line in lines])],
            cwd=home,
            stdout=stdout,
            environment={
                "XDG_STATE_HOME": str(home),
                "PYTHONPATH": str(Path(__file__).parents[2]),
                **(environment or {}),
            },
        )
    )
