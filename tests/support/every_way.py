"""The bank with every way to confirm, whose sent codes arrive in a mailbox, and an app of it."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.bank_server import BankServer, running_bank
from support.mailbox import Mailbox
from upstile.client import Client, Otp, Password, Prompter, RecoveryCode
from upstile.client import Method as ClientMethod
from upstile.server.methods import EmailCode, Method, RecoveryCodes, SmsCode, Totp, WebAuthn
from upstile.server.methods import Password as PasswordAgain

ORDER = {"to": "ACME", "amount": "1.00"}


@contextmanager
def bank_with_every_way(folder: Path, box: Mailbox) -> Generator[BankServer]:
    """Run it; sent codes and recovery codes reach `mfa`."""
    methods: list[Method] = [
        *(EmailCode(box, reaches_mfa=True), SmsCode(box, reaches_mfa=True), RecoveryCodes(reaches_mfa=True)),
        *(WebAuthn(), Totp()),
        PasswordAgain(lambda user, password: password == "correct horse"),
    ]
    with running_bank(folder, methods=methods) as bank:
        yield bank


def adas_app(bank: BankServer, prompter: Prompter, methods: Sequence[ClientMethod] | None = None) -> Client:
    """Ada's app, signed in, that asks for each call."""
    client = Client(
        bank.url,
        client_id="bank-cli",
        methods=methods or [Otp(), Password(), RecoveryCode()],
        prompter=prompter,
        interaction="required",
        clock=bank.clock,
        monotonic=bank.clock,
        human_timeout=15,
    )
    client.sign_in("/login", json={"username": "ada", "password": "correct horse"})
    return client
