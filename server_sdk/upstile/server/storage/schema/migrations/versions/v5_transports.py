"""Version 5: how a security key can be reached. Releases that know version 4 work on it, and leave the column alone."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "5"
down_revision = "4"


def upgrade(**_: Any) -> None:
    """Make the column."""
    op.add_column("upstile_authenticators", sa.Column("transports", sa.String(512)))
