"""How long anything may take, in seconds."""

ANSWER = 5.0
"""An operation, from waiting for a connection to the last reply. Then the store is as good as away."""
LOCK = 2.0
"""Waiting for somebody else who is changing the same records."""
ANSWER_MS, LOCK_MS = int(ANSWER * 1000), int(LOCK * 1000)

GUARDS = (
    f"SET LOCAL lock_timeout = {LOCK_MS}",
    f"SET LOCAL statement_timeout = {ANSWER_MS}",
    # A process that is stopped in the middle must not hold its locks until it wakes.
    f"SET LOCAL idle_in_transaction_session_timeout = {ANSWER_MS}",
)
"""What the server itself ends. `LOCAL`: behind a transaction pooler the session belongs to somebody else next."""
