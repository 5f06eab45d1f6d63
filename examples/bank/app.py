"""The bank's app, as its author writes it: plain calls, and the client does the rest."""

from collections.abc import Mapping
from typing import Any, Unpack

from upstile.client import Client, ClientOptions, Otp, RecoveryCode, Totp, WebAuthn

CLIENT_ID = "bank-cli"


class BankApp:
    """What the app does for its user.

    Args:
        url: the bank's API.
        options: those of `upstile.client.Client`, such as a prompter of one's own.
    """

    def __init__(self, url: str, **options: Unpack[ClientOptions]) -> None:
        options.setdefault("methods", [Totp(), WebAuthn(), Otp(), RecoveryCode()])
        self.client = Client(url, client_id=CLIENT_ID, **options)

    def sign_in(self, username: str, password: str) -> None:
        """Sign in; the token stays in the client."""
        self.client.sign_in("/login", json={"username": username, "password": password})

    def balance(self) -> str:
        """The balance; any token will do."""
        return str(self._call("GET", "/balance")["balance"])

    def statement(self) -> Mapping[str, Any]:
        """The statement; the bank wants a proof each time, and any will do."""
        return self._call("GET", "/statement")

    def transfer(self, to: str, amount: str) -> Mapping[str, Any]:
        """Send money; the bank wants a recent second factor."""
        return self._call("POST", "/transfers", json={"to": to, "amount": amount})

    def move_payouts(self, address: str) -> Mapping[str, Any]:
        """Change the payout address; the bank wants a security key."""
        return self._call("PUT", "/payout-address", json={"address": address})

    def close_account(self) -> Mapping[str, Any]:
        """Close the account; the bank wants a proof for this very call."""
        return self._call("DELETE", "/account")

    def _call(self, method: str, path: str, **request: Any) -> Mapping[str, Any]:
        response = self.client.request(method, path, **request)
        response.raise_for_status()
        body: Mapping[str, Any] = response.json()
        return body
