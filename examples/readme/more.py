"""What the README shows besides its two files: a handler that asks, and an app that says what went wrong."""

import sys
from typing import Annotated

from fastapi import Depends

from examples.readme.api import app, server
from upstile.client import Client, StepUpError
from upstile.server import Authentication


# README: handler
@app.post("/orders/{amount}")
async def order(amount: int, auth: Annotated[Authentication, Depends(server.require())]) -> str:
    if amount > 1000:  # before anything is changed: the client repeats the whole call
        auth.require(acr="mfa", max_age=60, reason=f"Confirm the order over {amount} EUR")  # no await
    return f"ordered for {amount} EUR"


# README: end


def send(client: Client, amount: int) -> str:
    """The order, from the app."""
    # README: errors
    try:
        reply = client.request("POST", f"/orders/{amount}")
    except StepUpError as error:
        sys.exit(error.diagnostics())  # what happened, and what to do next
    # README: end
    return reply.text
