"""The command `upstile-server`, with which a deployment's keys, schema and users are looked after."""

import sys


def main() -> None:
    """Run the command; it ends the process with 0, 1 (there is a problem) or 2 (it could not begin)."""
    try:
        import typer as _  # noqa: F401 - whether the extra is installed
    except ModuleNotFoundError:
        sys.stderr.write("upstile-server needs typer: pip install 'upstile[cli]'\n")
        sys.exit(2)
    from upstile.server.cli._command import command

    command(prog_name="upstile-server")
