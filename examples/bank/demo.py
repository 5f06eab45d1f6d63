"""The demo: a bank on a real socket, its app, and a person who is asked only when it matters.

Run it with `uv run --only-group demo python -m examples.bank` and one of:

(nothing)       by itself, and it says so
--interactive   you are asked, with your own authenticator app
--serve         the API stays up, with curl lines to try
"""

import argparse
import logging
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import httpx
from rich.markup import escape

from examples.bank.api import create_app, ways_to_confirm
from examples.bank.mail_server import Inbox, receiving
from examples.bank.narration import Narrator
from examples.bank.page import Page, ReaderLeft
from examples.bank.person import at_a_terminal
from examples.bank.serving import serving
from examples.bank.story import PASSWORD, Story, StoryWentWrong
from upstile.client import StepUpError
from upstile.client.testing import Clock
from upstile.server.mail import Mailer

_STOPPED, _UNREAD = 130, 141  # as a shell counts SIGINT and SIGPIPE


def main() -> int:
    """Run the demo; 0 only if every step ended as told."""
    options = _options()
    if options.interactive and not at_a_terminal():
        sys.exit("--interactive asks you on the terminal: run it in one, with its output not redirected.")
    page = Page()
    try:
        return _run(page, options)
    except ReaderLeft:
        return _UNREAD
    except KeyboardInterrupt:
        page.say("\nStopped.")
        return 0 if options.serve else _STOPPED


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


def _run(page: Page, options: argparse.Namespace) -> int:
    logging.getLogger("upstile").addHandler(_Log(page))
    clock, inbox = Clock(), Inbox(page)
    with TemporaryDirectory(prefix="upstile-bank-") as folder, receiving(inbox) as mail_server:
        mailer = Mailer(mail_server, sender="Bank <no-reply@login.bank.example>")
        narrators: list[Narrator] = []

        def make(url: str) -> Narrator:
            storage = f"sqlite:///{Path(folder) / 'bank.db'}"
            app = create_app(url=url, storage=storage, methods=ways_to_confirm(mailer), clock=clock)
            narrators.append(Narrator(app, page))
            return narrators[0]

        with serving(make) as url:
            if options.serve:
                _serve(page, url)
            story = Story(page, narrators[0], url, clock, inbox, interactive=options.interactive)
            return _tell(page, story)


class _Log(logging.Handler):
    """The bank's log, shown where it belongs in the story."""

    def __init__(self, page: Page) -> None:
        super().__init__(logging.WARNING)
        self._page = page

    def emit(self, record: logging.LogRecord) -> None:
        self._page.say(f"[dim]the bank's log: {escape(record.getMessage())}[/]", indent=2)


def _tell(page: Page, story: Story) -> int:
    try:
        story.tell()
    except (StoryWentWrong, StepUpError, httpx.HTTPError) as error:
        message = error.diagnostics() if isinstance(error, StepUpError) else str(error)
        page.say(f"\n[red]The demo went wrong:[/] {escape(message)}")
        return 1
    page.check()
    return 0


def _serve(page: Page, url: str) -> NoReturn:
    """Print what to try, then wait until somebody stops it."""
    reply = httpx.post(f"{url}/login", json={"username": "ada", "password": PASSWORD})
    token = reply.raise_for_status().json()["access_token"]
    bearer = '-H "Authorization: Bearer $TOKEN"'
    order = """--json '{"to": "ACME", "amount": "50.00"}'"""
    page.say(f"\n[bold]The bank is at {url}[/] (Ctrl-C stops it). This token of Ada's password login is weak:\n")
    page.verbatim(f"TOKEN={token}\n")
    page.verbatim(f"# any token will do:\ncurl -i {url}/balance {bearer}\n")
    page.verbatim(f"# the RFC 9470 challenge:\ncurl -i {url}/transfers {bearer} {order}\n")
    page.verbatim(f"# where the challenge leads:\ncurl {url}/.well-known/oauth-protected-resource")
    page.verbatim(f"curl {url}/.well-known/oauth-authorization-server\n")
    page.wait()
