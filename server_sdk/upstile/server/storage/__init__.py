"""Where the server half keeps things: durable (accounts, keys, revocations) and one-time state."""

from upstile.server.storage._names import Names
from upstile.server.storage._records import (
    Account,
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
    Storage,
    TwoStores,
    use_once,
)

__all__ = [
    "Account",
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
    "SigningKeyRecord",
    "Storage",
    "TwoStores",
    "Use",
    "User",
    "generation_of",
    "use_once",
]
