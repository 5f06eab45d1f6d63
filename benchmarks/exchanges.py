"""How many requests a step-up takes, counted where they leave the app."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from benchmarks.table import Row
from examples.bank.api import create_app
from examples.bank.app import CLIENT_ID
from examples.bank.person import AuthenticatorApp
from examples.bank.serving import serving
from upstile.client import CallbackPrompter, Client, Requirement, Totp
from upstile.client.testing import Clock

ORDER = {"to": "ACME", "amount": "1.00"}
WARM, COLD, AHEAD = 5, 7, 4
"""The challenged call, start, answer, token, the call again; two documents more; without the challenged call."""


class _Counted(httpx.HTTPTransport):
    """Counts what passes, to the API and to its authorization server."""

    count = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass one on."""
        self.count += 1
        return super().handle_request(request)


def exchange_rows(rounds: int) -> Iterator[Row]:
    """A TOTP step-up at the example's bank, on a real socket; `rounds` would change nothing."""
    clock = Clock()
    with (
        TemporaryDirectory() as folder,
        serving(lambda url: create_app(url=url, storage=f"sqlite:///{Path(folder) / 'bank.db'}", clock=clock)) as url,
    ):
        app = AuthenticatorApp(clock)
        prompter = CallbackPrompter(code=lambda _: app.read(), show_key_uri=app.scan)
        options: dict[str, Any] = {"client_id": CLIENT_ID, "prompter": prompter, "methods": [Totp()], "clock": clock}
        with Client(url, **options) as client:
            _sign_in(client)
            client.authenticators.enroll(Totp(), "phone")
        for name, expected, warm, ahead in (
            ("metadata known", WARM, True, None),
            ("the first of all", COLD, False, None),
            ("asked ahead", AHEAD, True, Requirement(acr="mfa", max_age=300, scope="payments")),
        ):
            clock.move(60)
            with Client(url, **options, transport=(transport := _Counted())) as client:
                count = _exchanges(client, transport, warm=warm, ahead=ahead)
            yield Row(f"exchanges of a step-up, {name}", f"{expected}", count / expected, 1.0)


def _exchanges(client: Client, transport: _Counted, *, warm: bool, ahead: Requirement | None) -> int:
    _sign_in(client)
    if warm:
        client.authenticators.list()  # fetches both documents
    before = transport.count
    client.request("POST", "/transfers", json=ORDER, step_up=ahead).raise_for_status()
    return transport.count - before


def _sign_in(client: Client) -> None:
    client.sign_in("/login", json={"username": "ada", "password": "correct horse"})
