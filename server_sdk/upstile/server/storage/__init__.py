"""Where the server half keeps things: durable (accounts, keys, revocations) and one-time state."""

from upstile.server.storage._names import Names
from upstile.server.storage._notice_rules import BY_STRANGERS, ClaimedNotice
from upstile.server.storage._records import (
    LONGEST_NAME,
    Account,
    AuditRow,
    AuthenticatorRecord,
    NoticeRow,
    OneTimeKey,
    Record,
    Revocation,
    Row,
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
    Notices,
    OneTimeStore,
    Rows,
    Storage,
    TwoStores,
    no_rows,
    use_once,
)

__all__ = [
    "BY_STRANGERS",
    "LONGEST_NAME",
    "Account",
    "AuditRow",
    "AuthenticatorRecord",
    "ClaimedNotice",
    "DecideAccount",
    "DurableStore",
    "Found",
    "Kept",
    "Names",
    "NoticeRow",
    "Notices",
    "OneTimeKey",
    "OneTimeStore",
    "Record",
    "Revocation",
    "Revocations",
    "Row",
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
