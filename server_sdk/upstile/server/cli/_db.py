"""`upstile-server db`: the version of the database's schema."""

import typer

from upstile.server.cli._running import deployment

command = typer.Typer(
    help="The schema of the database: its version, and how to bring it to the newest.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@command.command()
def check(context: typer.Context) -> None:
    """Say whether this release works on the database. Nothing is changed.

    \b
    Example, before a new release is started:
      upstile-server --app bank:server db check
    """
    with deployment(context) as operated:
        version = operated.storage.durable.check_schema()
        typer.echo(f"version {version} of the schema: this release works on it")


@command.command()
def upgrade(context: typer.Context) -> None:
    """Bring the database to the newest schema, all or nothing. There is no way back but a backup.

    Of several that run at once one migrates and the others wait. A file of the embedded default is upgraded by itself
    when the server starts.

    \b
    Example:
      pg_dump --file=before.sql bank && upstile-server --app bank:server db upgrade
    """
    with deployment(context) as operated:
        typer.echo(
            f"version {operated.storage.durable.upgrade_schema()} of the schema: the newest that this release knows"
        )
