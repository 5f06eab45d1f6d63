"""`upstile-server user`: what the help desk does for one user."""

import getpass
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer

from upstile.server.authorization.enrolment._help_desk import HelpDesk, UserStatus
from upstile.server.cli import _report_user
from upstile.server.cli._running import PROBLEM, at_the_desk, deployment

T = TypeVar("T")

command = typer.Typer(
    help="""What the help desk does for one user: a way back, an end to what was stolen, a data-protection request.

    \b
    Examples:
      upstile-server --app bank:server user ada show
      upstile-server --app bank:server user ada reset --reason "lost her phone, ticket 4711"
      upstile-server --app bank:server user ada enrolment-code --reason "lost her phone, ticket 4711"

    Make sure who is asking first. All but `show` is told to the application's `notify`, with who did it and why.
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)


def _not_empty(reason: str) -> str:
    if not reason.strip():
        raise typer.BadParameter("say why: it is told with the event")
    return reason


Reason = Annotated[str, typer.Option(callback=_not_empty, help="Why; it is told with the event.")]
By = Annotated[str | None, typer.Option(help="Who does it; your login name by default.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@command.callback()
def user(
    subject: Annotated[str, typer.Argument(metavar="USER", help="The user, by the name that `start_session` gets.")],
) -> None:
    """Say which user this is about."""


@command.command()
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Show what is stored of the user, without secrets. Nothing is changed.

    It ends with 1 for a user whom this server has never seen.
    """
    stored = _at_the_desk(context, lambda desk: desk.describe(_subject(context)))
    if as_json:
        _print_json(stored)
    else:
        _report_user.stored(stored)
    if not stored["seen"]:
        raise _unseen(context)


@command.command()
def reset(context: typer.Context, reason: Reason, by: By = None, yes: Yes = False) -> None:
    """Take all authenticators out of use, and end all sign-ins and tokens.

    For a person who lost their only device. What they enrol next needs an enrolment code, unless they never had an
    authenticator in use; then this is said.
    """
    _ask(yes, f"Take all authenticators of {_subject(context)!r} out of use and end all their sign-ins?")
    who = by or _login_name()
    status = _done(context, lambda desk: desk.disable_authenticators(_subject(context), by=who, reason=reason))
    if not status.enrolled:
        sys.stderr.write(
            f"upstile-server: {_subject(context)!r} never had an authenticator in use: a new sign-in sets up the first "
            "one without a code, so change a password that others know first\n"
        )


@command.command()
def enrolment_code(context: typer.Context, reason: Reason, by: By = None) -> None:
    """Print a code with which the user enrols a first authenticator. It is good once, for ten minutes.

    Hand it over on a channel that is safe: who has it, and the password, becomes the user.
    """

    async def issue(desk: HelpDesk) -> tuple[UserStatus, str]:
        status = await desk.status(_subject(context))
        return status, await desk.enrolment_code(_subject(context), by=by or _login_name(), reason=reason)

    status, code = _at_the_desk(context, issue)
    typer.echo(code)
    if status.authenticators:
        sys.stderr.write(
            f"upstile-server: the code is good once {_subject(context)!r} was reset: something is in use\n"
        )
    elif not status.seen:
        sys.stderr.write(f"upstile-server: {_subject(context)!r} was never seen here: is the name right?\n")


@command.command()
def end_sessions(context: typer.Context, reason: Reason, by: By = None, yes: Yes = False) -> None:
    """End all sign-ins and tokens, and forget all keys. What is enrolled stays.

    For a password that was stolen. End the application's own sessions first.
    """
    _ask(yes, f"End all sign-ins of {_subject(context)!r}?")
    _done(context, lambda desk: desk.end_sessions(_subject(context), by=by or _login_name(), reason=reason))


@command.command()
def unlock(context: typer.Context, reason: Reason, by: By = None) -> None:
    """Let new devices try again, after a hundred wrong answers closed an authenticator to them."""
    _done(context, lambda desk: desk.unlock(_subject(context), by=by or _login_name(), reason=reason))


@command.command()
def export(context: typer.Context, reason: Reason, by: By = None) -> None:
    """Print all that is stored under the user's name as JSON, without secrets, for the person whose data it is."""
    _print_json(
        _at_the_desk(context, lambda desk: desk.export(_subject(context), by=by or _login_name(), reason=reason))
    )


@command.command()
def forget(context: typer.Context, reason: Reason, by: By = None, yes: Yes = False) -> None:
    """Delete all that is stored under the user's name, and end all they had.

    For 13 hours the log keeps the name and a number, so that the user's tokens stay dead.
    """
    _ask(yes, f"Delete all that is stored of {_subject(context)!r}?")
    _done(context, lambda desk: desk.forget_user(_subject(context), by=by or _login_name(), reason=reason))


def _done(context: typer.Context, work: Callable[[HelpDesk], Awaitable[UserStatus]]) -> UserStatus:
    status = _at_the_desk(context, work)
    if not status.seen:
        raise _unseen(context)
    typer.echo(f"done for {status.subject!r}, who had {status.authenticators} authenticators in use")
    return status


def _at_the_desk(context: typer.Context, work: Callable[[HelpDesk], Awaitable[T]]) -> T:
    with deployment(context) as operated:
        return at_the_desk(operated, work)


def _subject(context: typer.Context) -> str:
    assert context.parent is not None  # noqa: S101 - the group that has the argument
    return str(context.parent.params["subject"])


def _unseen(context: typer.Context) -> typer.Exit:
    sys.stderr.write(f"upstile-server: {_subject(context)!r} was never seen here: is the name right?\n")
    return typer.Exit(PROBLEM)


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # nobody of this number is known to the machine
        return f"user {os.getuid()}"


def _ask(yes: bool, question: str) -> None:
    if not yes:
        typer.confirm(f"{question} This cannot be undone.", abort=True, err=True)


def _print_json(stored: dict[str, Any]) -> None:
    typer.echo(json.dumps(stored, indent=2, ensure_ascii=False))
