"""Version 6: the queue of notices. Releases that know version 5 work on it, and leave the table alone."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "6"
down_revision = "5"

_NAME = sa.String(512)


def upgrade(**_: Any) -> None:
    """Make the table."""
    op.create_table(
        "upstile_notices",
        sa.Column("issuer", _NAME, primary_key=True),
        sa.Column("subject", _NAME, primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("waiting", sa.Integer, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("client_id", _NAME),
        sa.Column("method", _NAME),
        sa.Column("address", _NAME),
        sa.Column("detail", _NAME),
        sa.Column("mail", sa.Text),
        sa.Column("claim", sa.String(32)),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due", sa.Double),
        sa.Column("last_sent", sa.Double),
        sa.Column("sent", sa.Integer, nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
    )
    only = sa.text("due IS NOT NULL")
    op.create_index("upstile_notices_due", "upstile_notices", ["due"], sqlite_where=only, postgresql_where=only)
