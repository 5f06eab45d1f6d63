"""Pays from a shell: results are JSON on standard output, and whatever is asked is asked on the terminal.

Start the bank with `python -m examples.bank --serve`, which says where it is: `export PAY_API=http://localhost:…`. Then
`python -m examples.pay_cli login ada`, `... phone`, and `... send ACME 50.00 | jq .balance`.
"""

import json
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated, Any

import httpx
import typer

from upstile.client import Client, ConfigurationError, FileStore, StepUpError, TerminalPrompter, Totp

USAGE, SIGN_IN, STEP_UP, CANCELLED = 2, 3, 4, 5
EXIT_CODES = {
    "configuration": USAGE,
    "not_signed_in": SIGN_IN,
    "sign_in_expired": SIGN_IN,
    "step_up_required": STEP_UP,
    "no_method_available": STEP_UP,
    "step_up_cancelled": CANCELLED,
    "step_up_timeout": CANCELLED,
}

app = typer.Typer(help=__doc__, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


@contextmanager
def bank() -> Generator[Client]:
    """The bank, as whoever is signed in; what goes wrong is said on standard error, and told by the exit code."""
    api, profile = os.environ.get("PAY_API", "http://localhost:8000"), os.environ.get("PAY_PROFILE", "default")
    try:
        with Client(api, client_id="bank-cli", store=FileStore("pay"), profile=profile) as client:
            yield client
    except (StepUpError, ConfigurationError) as error:
        typer.echo(f"pay: {error.diagnostics()}", err=True)
        raise typer.Exit(EXIT_CODES.get(error.code, 1)) from None
    except httpx.HTTPStatusError as error:
        typer.echo(f"pay: the bank answered {error.response.status_code}.", err=True)
        raise typer.Exit(1) from None
    except httpx.TransportError:
        typer.echo(f"pay: {api} cannot be reached.", err=True)
        raise typer.Exit(1) from None


@app.command()
def login(user: Annotated[str, typer.Argument(help="Who you are.")]) -> None:
    """Sign in; it lasts until tomorrow."""
    with bank() as client:
        password = TerminalPrompter().ask("Password", hidden=True)
        client.sign_in("/login", subject=user, json={"username": user, "password": password})
        status_of(client)


@app.command()
def phone(name: Annotated[str, typer.Argument(help="What you call it.")] = "phone") -> None:
    """Add the authenticator app that your transfers are confirmed with."""
    with bank() as client:
        added = client.authenticators.enroll(Totp(), name)
        show({"added": added.name})


@app.command()
def send(
    to: Annotated[str, typer.Argument(help="Who gets it.")],
    amount: Annotated[str, typer.Argument(help="How much, such as 50.00.")],
) -> None:
    """Send money. You confirm it, and for five minutes further transfers of this terminal ask nothing."""
    with bank() as client:
        show(client.post("/transfers", json={"to": to, "amount": amount}).raise_for_status().json())


@app.command()
def status() -> None:
    """Show who is signed in."""
    with bank() as client:
        status_of(client)
        if client.signed_in is None:
            raise typer.Exit(SIGN_IN)


@app.command()
def logout() -> None:
    """Sign out."""
    with bank() as client:
        client.sign_out()
        status_of(client)


def status_of(client: Client) -> None:
    """What is known of the sign-in."""
    who = client.signed_in
    show({"signed_in": who is not None, "user": who and who.subject, "expires": who and who.expires})


def show(result: dict[str, Any]) -> None:
    """Print a result."""
    typer.echo(json.dumps(result))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # in order: a terminal that hides a password shows again
    app(prog_name="pay")
