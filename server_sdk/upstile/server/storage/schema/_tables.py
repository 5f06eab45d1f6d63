"""The tables, as the newest migration leaves them."""

import sqlalchemy as sa

from upstile.server.storage._records import LONGEST_NAME

metadata = sa.MetaData()

_NAME = sa.String(LONGEST_NAME)
AUDIT_TEXTS = (
    "client_id",
    "method",
    "ceremony",
    "instance",
    "route",
    "requirement",
    "address",
    "reason",
    "detail",
    "by",
)
"""What an event says besides, each a text of the audit table."""

accounts = sa.Table(
    "upstile_accounts",
    metadata,
    sa.Column("issuer", _NAME, primary_key=True),
    sa.Column("subject", _NAME, primary_key=True),
    sa.Column("logins", sa.Integer, nullable=False),
    sa.Column("proofs", sa.Integer, nullable=False),
)
authenticators = sa.Table(
    "upstile_authenticators",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("issuer", _NAME, nullable=False),
    sa.Column("subject", _NAME, nullable=False),
    sa.Column("method", sa.String(32), nullable=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("last_used", sa.BigInteger),
    sa.Column("begun_by", sa.String(512)),
    sa.Column("first", sa.Boolean, nullable=False),
    sa.Column("expires_at", sa.BigInteger),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Column("counter", sa.BigInteger, nullable=False),
    sa.Column("closed", sa.Boolean, nullable=False),
    sa.Column("credential_id", sa.String(1400)),
    sa.Column("transports", _NAME),
    sa.UniqueConstraint("issuer", "credential_id"),
    sa.Index("upstile_authenticators_user", "issuer", "subject"),
    # Only pending ones end, so the sweep finds them in an index of few rows.
    sa.Index(
        "upstile_authenticators_pending",
        "expires_at",
        sqlite_where=sa.text("expires_at IS NOT NULL"),
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    ),
)
signing_keys = sa.Table(
    "upstile_signing_keys",
    metadata,
    sa.Column("issuer", _NAME, primary_key=True),
    sa.Column("kid", sa.String(64), primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("signs_from", sa.BigInteger, nullable=False),
)
revocations = sa.Table(
    "upstile_revocations",
    metadata,
    # A number is never given twice, and becomes visible after all lower ones: readers ask for what is newer.
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("issuer", _NAME, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("name", _NAME, nullable=False),
    sa.Column("below", sa.Integer, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("issuer", "kind", "name", "below"),
    sa.Index("upstile_revocations_expires_at", "expires_at"),
    sqlite_autoincrement=True,
)
secrets = sa.Table(
    "upstile_secrets",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)
audit = sa.Table(
    "upstile_audit",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("issuer", _NAME, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("subject", _NAME),
    *(sa.Column(name, _NAME) for name in AUDIT_TEXTS),
    # No index: each step of each ceremony would pay for it. Numbers go up with time, so the sweep needs none.
)
notices = sa.Table(
    "upstile_notices",
    metadata,
    sa.Column("issuer", _NAME, primary_key=True),
    sa.Column("subject", _NAME, primary_key=True),
    sa.Column("kind", sa.String(32), primary_key=True),
    # What happened since the last mail, and the newest of it.
    sa.Column("waiting", sa.Integer, nullable=False),
    sa.Column("since", sa.Double, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("client_id", _NAME),
    sa.Column("method", _NAME),
    sa.Column("address", _NAME),
    sa.Column("detail", _NAME),
    # The mail under way: what it says stays the same for all its tries.
    sa.Column("mail", sa.Text),
    sa.Column("claim", sa.String(32)),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("due", sa.Double),
    # What bounds the mails that one person gets.
    sa.Column("last_sent", sa.Double),
    sa.Column("sent", sa.Integer, nullable=False),
    sa.Column("day", sa.Integer, nullable=False),
    sa.Index(
        "upstile_notices_due",
        "due",
        sqlite_where=sa.text("due IS NOT NULL"),
        postgresql_where=sa.text("due IS NOT NULL"),
    ),
)
one_time = sa.Table(
    "upstile_one_time",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Column("kept_until", sa.Double, nullable=False),
    sa.Index("upstile_one_time_kept", "kept_until"),
    sqlite_with_rowid=False,
)
