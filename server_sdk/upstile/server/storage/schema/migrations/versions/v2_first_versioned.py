"""Version 2, the first that notes its version: made from nothing, or from a storage of version 1."""

import sqlalchemy as sa
from alembic import op

from upstile.server.storage.schema._fernet import Reseal
from upstile.server.storage.schema.migrations import _version_1

revision = "2"
down_revision = None

_NAME = sa.String(512)
_ends = sa.text("expires_at IS NOT NULL")


def upgrade(*, issuer: str, reseal: Reseal) -> None:
    """Make the tables, and carry over what version 1 kept."""
    connection = op.get_bind()
    old = _version_1.put_aside(connection, issuer)
    _accounts()
    _keys()
    _revocations()
    _one_time()
    if old:
        _version_1.carry_over(connection, old, issuer, reseal)


def _accounts() -> None:
    op.create_table(
        "upstile_accounts",
        sa.Column("issuer", _NAME, primary_key=True),
        sa.Column("subject", _NAME, primary_key=True),
        sa.Column("logins", sa.Integer, nullable=False),
        sa.Column("proofs", sa.Integer, nullable=False),
    )
    op.create_table(
        "upstile_authenticators",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("issuer", _NAME, nullable=False),
        sa.Column("subject", _NAME, nullable=False),
        sa.Column("method", sa.String(32), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("last_used", sa.BigInteger),
        sa.Column("begun_by", _NAME),
        sa.Column("first", sa.Boolean, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("data", sa.JSON, nullable=False),
        sa.Column("counter", sa.BigInteger, nullable=False),
        sa.Column("closed", sa.Boolean, nullable=False),
        sa.Column("credential_id", sa.String(1400)),
        sa.UniqueConstraint("issuer", "credential_id"),
    )
    op.create_index("upstile_authenticators_user", "upstile_authenticators", ["issuer", "subject"])
    op.create_index(
        "upstile_authenticators_pending",
        "upstile_authenticators",
        ["expires_at"],
        sqlite_where=_ends,
        postgresql_where=_ends,
    )


def _keys() -> None:
    op.create_table(
        "upstile_signing_keys",
        sa.Column("issuer", _NAME, primary_key=True),
        sa.Column("kid", sa.String(64), primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("signs_from", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "upstile_secrets",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )


def _revocations() -> None:
    op.create_table(
        "upstile_revocations",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("issuer", _NAME, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("below", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("issuer", "kind", "name", "below"),
        sqlite_autoincrement=True,
    )


def _one_time() -> None:
    op.create_table(
        "upstile_one_time",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("kept_until", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("upstile_one_time_kept", "upstile_one_time", ["kept_until"])
