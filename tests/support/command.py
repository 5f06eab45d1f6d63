"""The command `upstile-server`, run as an operator runs it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from upstile.server.keys._secret_keys import new_key

OLD, NEW = new_key().decode(), new_key().decode()
ISSUER = "https://bank.example"
NOW = 1_800_000_000
_TESTS = Path(__file__).parents[1]
_BANK = """
import os
from pathlib import Path
from upstile.server.fastapi import App, StepUp

def note(event):
    with Path("events.txt").open("a") as file:
        file.write(event.kind + (f" by {event.by}: {event.reason}" if event.by else "") + "\\n")

server = StepUp.embedded(
    url="https://bank.example",
    storage=os.environ.get("BANK_STORAGE", "sqlite:///bank.db"),
    clients=[App("cli")],
    notify=note,
    clock=lambda: float(os.environ["BANK_TIME"]),
)
app = object()
"""


@dataclass
class Folder:
    """A folder with an application `bank.py`, whose storage is not there yet."""

    path: Path
    storage: str = "sqlite:///bank.db"

    def __post_init__(self) -> None:
        self.write("bank.py", _BANK)

    def write(self, name: str, text: str) -> None:
        """Put a file into it."""
        (self.path / name).write_text(text)

    def start(self, *arguments: str, app: str | None = "bank:server", keys: str = OLD, at: float = NOW) -> "Started":
        """Start the command there, with these secret keys, at this time."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("UPSTILE_")}
        environment |= {"PYTHONPATH": str(_TESTS), "UPSTILE_SECRET_KEYS": keys, "BANK_TIME": str(at)}
        environment["BANK_STORAGE"] = self.storage
        environment |= {} if app is None else {"UPSTILE_APP": app}
        command = [sys.executable, "-m", "upstile.server.cli", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(  # noqa: S603
            command, cwd=self.path, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )

    def run(
        self, *arguments: str, app: str | None = "bank:server", keys: str = OLD, at: float = NOW, typed: str = ""
    ) -> "Done":
        """The command to its end, with what is typed to its questions."""
        process = self.start(*arguments, app=app, keys=keys, at=at)
        out, error = process.communicate(typed, timeout=120)
        return Done(process.returncode, out, error)

    def files(self) -> list[str]:
        """What is in it, but for what Python leaves."""
        return sorted(path.name for path in self.path.iterdir() if path.name != "__pycache__")


Started = subprocess.Popen[str]


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    error: str

    def sentence(self, code: int) -> str:
        """The one line of an error, with nothing else printed."""
        assert (self.code, self.out) == (code, ""), self
        [line] = self.error.splitlines()
        assert line.startswith("upstile-server: ")
        return line
