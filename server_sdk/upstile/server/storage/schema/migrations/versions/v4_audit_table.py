"""Version 4: the audit table. Releases that know version 3 work on it, and leave the table alone."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "4"
down_revision = "3"

_NAME = sa.String(512)


def upgrade(**_: Any) -> None:
    """Make the table."""
    op.create_table(
        "upstile_audit",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("issuer", _NAME, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("subject", _NAME),
        sa.Column("client_id", _NAME),
        sa.Column("method", _NAME),
        sa.Column("ceremony", _NAME),
        sa.Column("instance", _NAME),
        sa.Column("route", _NAME),
        sa.Column("requirement", _NAME),
        sa.Column("address", _NAME),
        sa.Column("reason", _NAME),
        sa.Column("detail", _NAME),
        sa.Column("by", _NAME),
    )
