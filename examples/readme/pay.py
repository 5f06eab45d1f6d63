"""What the README shows of a command line that stays signed in."""

# README: pay
from getpass import getpass

import httpx

from upstile.client import Client, ConfigurationError, FileStore, StepUpError


def pay(command: str, user: str = "") -> str:
    try:
        with Client("https://api.example.com", client_id="bank-cli", store=FileStore("pay")) as client:
            if command == "login":
                who = client.sign_in("/login", subject=user, json={"username": user, "password": getpass()})
                return f"You are signed in as {who.subject}." if who else ""
            if command == "logout":
                client.sign_out()
                return "You are signed out."
            return client.post("/transfers", json={"to": "ACME", "amount": "50.00"}).text
    except (StepUpError, ConfigurationError) as error:  # "Your sign-in has ended. Sign in again.", for one
        return error.diagnostics()
    except httpx.HTTPStatusError as error:  # your own /login said no
        return f"The bank refused the sign-in: status {error.response.status_code}."
    except httpx.HTTPError:
        return "The bank cannot be reached. Look whether you are online, then try again."


# README: end
