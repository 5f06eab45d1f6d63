"""The command line: its commands, and what stands in its help."""

from inspect import Parameter
from typing import Annotated

import typer

from upstile.client.cli import _authenticators, _login, _request, _status
from upstile.client.cli._ending import MEANINGS
from upstile.client.cli._options import before_the_command, reading_options, working

_EXITS = "\n".join(f"  {code:<5}{meaning}" for code, meaning in MEANINGS.items())
_HELP = f"""Call an API that asks you to confirm what is dangerous, and confirm it.

\b
Begin with:
  upstile login --api https://api.example.com --client-id my-app \\
                --path /login --field username --secret password
  upstile authenticators add totp
  upstile request POST /transfers --json '{{"to": "ACME", "amount": "50.00"}}'

Questions are asked on the terminal itself, never through standard input or output, so that commands may be piped. No
command prints a token: on a screen, in a log or in the history of a shell others would find it, and one that is bound
to this machine's key is of no use without that. Where a script needs a call, there is `upstile request`.

\b
In the environment, besides the options below:
  UPSTILE_TOKEN  a token to use instead of a sign-in, as in CI; nothing is kept then
  NO_COLOR       no colours on the terminal

\b
Exit codes:
{_EXITS}
"""

command = typer.Typer(
    help=_HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # it would print local variables, passwords among them
)
authenticators = typer.Typer(
    help="Manage authenticator apps, security keys, addresses for codes, and recovery codes.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"upstile {version('upstile')}")
        raise typer.Exit


_VERSION = Parameter(
    "version",
    Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version, and end.")
    ],
)

command.callback()(before_the_command(reading_options, _VERSION))
working(command)(_login.login)
working(command)(_login.logout)
working(command)(_status.status)
working(command, prints_json=False)(_request.request)
working(command, "step-up")(_status.step_up)
working(authenticators, "list")(_authenticators.list_all)
working(authenticators)(_authenticators.add)
working(authenticators)(_authenticators.regenerate)
working(authenticators)(_authenticators.rename)
working(authenticators, "open")(_authenticators.open_again)
working(authenticators)(_authenticators.remove)
working(authenticators)(_authenticators.restore)
command.add_typer(authenticators, name="authenticators")
