"""Writes the reference in `docs/cli.md` from what `upstile --help` says: `uv run python -m docs.command_line`."""

import os
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path

from docs.generated import page_with
from upstile import client
from upstile.client import ConfigurationError, StepUpError
from upstile.client.cli._command import command
from upstile.client.cli._ending import CODES, MEANINGS, PROBLEM

PAGE = Path(__file__).parent / "cli.md"
BEGIN, END = "<!-- reference: made from the help -->", "<!-- reference: end -->"
_COMMANDS = ["", "login", "logout", "status", "request", "step-up", "authenticators"]
_OF_AUTHENTICATORS = ["list", "add", "regenerate", "rename", "open", "remove", "restore"]


def commands() -> list[str]:
    """All commands, as they are typed behind `upstile`."""
    return [*_COMMANDS, *(f"authenticators {name}" for name in _OF_AUTHENTICATORS)]


def help_of(name: str) -> str:
    """What `--help` of a command prints in a terminal of 80 columns."""
    before, printed = os.environ.get("COLUMNS"), StringIO()
    os.environ["COLUMNS"] = "80"
    try:
        with redirect_stdout(printed), suppress(SystemExit):
            command([*name.split(), "--help"], prog_name="upstile")
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
    return printed.getvalue().strip()


def reference() -> str:
    """Exit codes, then the help of each command."""
    exits = "\n".join(f"| {code} | {meaning} | {_errors(code)} |" for code, meaning in MEANINGS.items())
    helps = "\n\n".join(f"### `{f'upstile {name}'.strip()}`\n```\n{help_of(name)}\n```" for name in commands())
    head = "| code | meaning | `error.code` of the SDK |\n|---|---|---|"
    return f"{BEGIN}\n## Exit codes\n\n{head}\n{exits}\n\n## The commands\n\n{helps}\n{END}"


def _errors(exit_code: int) -> str:
    """The codes of the SDK's errors that end so."""
    public = [getattr(client, name) for name in client.__all__]
    kinds = [kind for kind in public if isinstance(kind, type) and issubclass(kind, StepUpError | ConfigurationError)]
    codes = [kind.code for kind in kinds if kind is not StepUpError and CODES.get(kind.code, PROBLEM) == exit_code]
    return ", ".join(f"`{code}`" for code in sorted(codes))


if __name__ == "__main__":
    PAGE.write_text(page_with(reference(), PAGE.read_text()))
