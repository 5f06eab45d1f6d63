"""Accounts that tests of storage write."""

import dataclasses

from upstile.server.storage._records import Account, AuthenticatorRecord, User
from upstile.server.storage.sql import SqlLedger

ISSUER = "https://bank.example"
ADA = User(ISSUER, "ada")
BOB = User(ISSUER, "bob")
NOW = 1_800_000_000
PASSKEY = AuthenticatorRecord(
    id="p", method="webauthn", name="Key", state="active", created=NOW, data={"id": "credential-1", "backed_up": True}
)
TOTP = AuthenticatorRecord(id="t", method="totp", name="App", state="active", created=NOW - 1, data={"seed": "sealed"})


def enrol(ledger: SqlLedger, user: User, *records: AuthenticatorRecord) -> None:
    """Let these be all authenticators of a user."""
    ledger.change_account(user, lambda account: (dataclasses.replace(account, authenticators=records), None))


def end(account: Account) -> tuple[Account, None]:
    """End all generations."""
    return dataclasses.replace(account, logins=account.logins + 1, proofs=account.proofs + 1), None
