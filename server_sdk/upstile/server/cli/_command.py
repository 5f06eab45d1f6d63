"""The command line."""

from typing import Annotated

import typer

from upstile.server.cli import _check, _db, _keys, _user

command = typer.Typer(
    help="""Look after a deployment: its signing keys, its secret keys, its database and its users.

    The command loads the StepUp object of your application, so that storage, issuer and keys are said once. Run it
    where you start the server, with the same environment.

    \b
    Examples:
      upstile-server --app bank:server check
      upstile-server --app bank:server keys status
      upstile-server --app bank:server keys rotate
      upstile-server --app bank:server user ada show
      UPSTILE_APP=bank:server upstile-server db check

    \b
    It ends with 0 when all is well, with 1 when there is a problem, and with 2 when it could not begin.
    """,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # it would print local variables, keys among them
)
command.command()(_check.check)
command.add_typer(_keys.command, name="keys")
command.add_typer(_db.command, name="db")
command.add_typer(_user.command, name="user")


@command.callback()
def options(
    app: Annotated[
        str | None,
        typer.Option(
            envvar="UPSTILE_APP",
            metavar="MODULE:NAME",
            help="Your StepUp object, as bank:server for `server = StepUp.embedded(...)` in bank.py.",
        ),
    ] = None,
) -> None:
    """Say which application this is about."""
