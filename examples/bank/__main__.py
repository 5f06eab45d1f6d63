"""The demo: a bank on a real socket, its app, and a person who is asked only when it matters.

uv run python -m examples.bank                 by itself, and it says so
uv run python -m examples.bank --interactive   you are asked, with your own authenticator app
uv run python -m examples.bank --serve         the API stays up, with curl lines to try
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import httpx
from rich.console import Console

from examples.bank.api import create_app
from examples.bank.narration import Narrator
from examples.bank.serving import serving
from examples.bank.story import PASSWORD, Story, StoryWentWrong
from upstile.client import StepUpError
from upstile.client.testing import Clock


def main() -> int:
    """Run the demo; 0 only if every step ended as told."""
    options = _options()
    console = Console(highlight=False)
    clock = Clock()
    with TemporaryDirectory(prefix="upstile-bank-") as folder:
        narrators: list[Narrator] = []

        def make(url: str) -> Narrator:
            storage = f"sqlite:///{Path(folder) / 'bank.db'}"
            narrators.append(Narrator(create_app(url=url, storage=storage, clock=clock), console))
            return narrators[0]

        with serving(make) as url:
            if options.serve:
                return _serve(console, url)
            return _tell(Story(console, narrators[0], url, clock, interactive=options.interactive))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.bank",
        description="A bank whose API asks for a second factor, and its app. Every HTTP exchange is shown.",
        epilog="Without options it runs by itself with a software key and computed codes, in a few seconds.",
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--interactive", action="store_true", help="ask you: scan a QR code with your authenticator app")
    mode.add_argument("--serve", action="store_true", help="leave the API running and print curl lines to try")
    return parser.parse_args()


def _tell(story: Story) -> int:
    try:
        story.tell()
    except (StoryWentWrong, StepUpError, httpx.HTTPError) as error:
        message = error.diagnostics() if isinstance(error, StepUpError) else str(error)
        story.console.print(f"\n[red]The demo went wrong:[/] {message}")
        return 1
    except KeyboardInterrupt:
        story.console.print("\nStopped.")
        return 130
    return 0


def _serve(console: Console, url: str) -> int:
    reply = httpx.post(f"{url}/login", json={"username": "ada", "password": PASSWORD})
    token = reply.raise_for_status().json()["access_token"]
    console.print(f"\n[bold]The bank is at {url}[/] (Ctrl-C stops it). This token of Ada's password login is weak:\n")
    sys.stdout.write(f"TOKEN={token}\n\n")
    sys.stdout.write("# any token will do:\n")
    sys.stdout.write(f'curl -i {url}/balance -H "Authorization: Bearer $TOKEN"\n\n')
    sys.stdout.write("# the RFC 9470 challenge:\n")
    sys.stdout.write(
        f'curl -i {url}/transfers -H "Authorization: Bearer $TOKEN" --json \'{{"to": "ACME", "amount": "50.00"}}\'\n\n'
    )
    sys.stdout.write("# where the challenge leads:\n")
    sys.stdout.write(f"curl {url}/.well-known/oauth-protected-resource\n")
    sys.stdout.write(f"curl {url}/.well-known/oauth-authorization-server\n\n")
    sys.stdout.flush()
    try:
        Event().wait()
    except KeyboardInterrupt:
        console.print("\nStopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
