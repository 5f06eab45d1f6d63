"""Where the server half keeps things: durable (accounts, keys, revocations) and one-time state."""

from upstile.server.storage._names import Names
from upstile.server.storage._records import (
    LONGEST_NAME,
    Account,
    AuditRow,
    AuthenticatorRecord,
    OneTimeKey,
    Record,
    Revocation,
    SigningKeyRecord,
    Use,
    User,
)
from upstile.server.storage._revocations import Revocations, generation_of
from upstile.server.storage._stores import (
    DecideAccount,
    DurableStore,
    Found,
    Kept,
    OneTimeStore,
    Rows,
    Storage,
    TwoStores,
    no_rows,
    use_once,
)

__all__ = [
    "LONGEST_NAME",
    "Account",
    "AuditRow",
    "AuthenticatorRecord",
    "DecideAccount",
    "DurableStore",
    "Found",
    "Kept",
    "Names",
    "OneTimeKey",
    "OneTimeStore",
    "Record",
    "Revocation",
    "Revocations",
    "Rows",
    "SigningKeyRecord",
    "Storage",
    "TwoStores",
    "Use",
    "User",
    "generation_of",
    "no_rows",
    "use_once",
]
