"""Where the server half keeps things: durable (authenticators, keys) and ephemeral (one-time state)."""

from upstile.server.storage._durable import AuthenticatorRecord, DurableStore, SigningKeyRecord, User
from upstile.server.storage._ephemeral import EphemeralStore, Record, increment, take, use_once
from upstile.server.storage._revocations import Revocations
from upstile.server.storage._sqlalchemy import SqlDurableStore
from upstile.server.storage._sqlite import SqliteEphemeralStore

__all__ = [
    "AuthenticatorRecord",
    "DurableStore",
    "EphemeralStore",
    "Record",
    "Revocations",
    "SigningKeyRecord",
    "SqlDurableStore",
    "SqliteEphemeralStore",
    "User",
    "increment",
    "take",
    "use_once",
]
