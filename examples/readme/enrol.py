"""What the README shows of a first use, and of errors."""

# README: enrol
from upstile.client import Client, StepUpError, Totp


def first_use(client: Client) -> None:
    """After a sign-in: shows a key URI for an authenticator app, and asks for its first code."""
    if not any(entry.state == "active" for entry in client.authenticators.list()):
        client.authenticators.enroll(Totp(), "my phone")


def order(client: Client, amount: int) -> str:
    try:
        return client.request("POST", f"/orders/{amount}").raise_for_status().text
    except StepUpError as error:
        return error.diagnostics()  # what happened, and what to do next


# README: end
