"""Version 3: dead entries of the log are found in an index. Releases that know version 2 work on it."""

from typing import Any

from alembic import op

revision = "3"
down_revision = "2"


def upgrade(**_: Any) -> None:
    """Make the index."""
    op.create_index("upstile_revocations_expires_at", "upstile_revocations", ["expires_at"])
