"""A person with an authenticator app, a security key, and the bank's apps on a real socket."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.bank_server import BankServer
from support.libraries import current
from support.totp import code_at, seed_in
from upstile.client import Client, Totp, WebAuthn
from upstile.client.testing import ScriptedPrompter, VirtualKey


class Ada:
    """A person with an authenticator app, a security key, and the bank's apps.

    Attributes:
        clients: where `Client`, `AsyncClient` and `StepUpAuth` are, on the HTTP library that the test is for.
    """

    def __init__(self, bank: BankServer) -> None:
        self.bank = bank
        self.clients: Any = current().clients
        self.seed = b""
        self.key = VirtualKey(pin="1234")
        self.person = ScriptedPrompter(self.fresh_code, pin="1234")

    def fresh_code(self) -> str:
        """A code that was not used yet."""
        self.bank.clock.ahead += 30
        return code_at(self.seed, int(self.bank.clock()) // 30)

    def options(self, **changed: Any) -> dict[str, Any]:
        """The options of her app."""
        methods = [Totp(), WebAuthn(lambda: [self.key])]
        return {
            "client_id": "bank-cli",
            "prompter": self.person,
            "methods": methods,
            "clock": self.bank.clock,
            "monotonic": self.bank.clock,
            **changed,
        }

    @contextmanager
    def app(self, **changed: Any) -> Generator[Client]:
        """Her app, signed in, with an authenticator app enrolled and metadata warm."""
        with self.clients.Client(self.bank.url, **self.options(**changed)) as client:
            client.sign_in("/login", json={"username": "ada", "password": "correct horse"})
            if not self.seed:
                self.enroll(client)
            client.authenticators.list()
            self.bank.exchanges.clear()
            yield client

    def enroll(self, client: Client) -> None:
        """Enrol the authenticator app."""
        asked, client.step_up_auth.session.prompter = client.step_up_auth.session.prompter, _Scanner(self)
        client.authenticators.enroll(Totp(), "phone")
        client.step_up_auth.session.prompter = asked


class _Scanner(ScriptedPrompter):
    def __init__(self, ada: Ada) -> None:
        super().__init__(ada.fresh_code)
        self._ada = ada

    def show_key_uri(self, uri: str) -> None:
        self._ada.seed = seed_in(parse_qs(urlsplit(uri).query)["secret"][0])
