"""Starts the command `upstile`, or says what has to be installed for it: `upstile.client` needs some of that itself."""

import sys
from importlib.util import find_spec

_NEEDED = ("typer", "httpx", "fido2", "filelock", "platformdirs")


def main() -> None:
    """Run the command; docs/cli.md says what its exit codes mean."""
    lacking = [name for name in _NEEDED if find_spec(name) is None]
    if lacking:
        sys.stderr.write(f"upstile needs {', '.join(lacking)}: pip install 'upstile[cli]'\n")
        sys.exit(2)
    try:
        from upstile.client.cli import run

        run()
    except KeyboardInterrupt:  # before the command has begun, or after its end
        sys.exit(130)
