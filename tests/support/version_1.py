"""A storage as version 1 left it: its tables in literal SQL, its secrets sealed with Fernet."""

import json
import time
from base64 import urlsafe_b64encode
from typing import Any

import sqlalchemy as sa
from cryptography.fernet import Fernet

from upstile.server.storage import schema

KEY = urlsafe_b64encode(b"the same key in other processes.")
SEED = b"a seed of 20 bytes.."
SIGNING_KEY = b"the private half, as DER"
STEP = 60_000_000
_TABLES = """
CREATE TABLE upstile_authenticators (
    id VARCHAR(64) NOT NULL PRIMARY KEY, issuer VARCHAR(512) NOT NULL, subject VARCHAR(512) NOT NULL,
    method VARCHAR(32) NOT NULL, name VARCHAR(100) NOT NULL, state VARCHAR(16) NOT NULL, created BIGINT NOT NULL,
    last_used BIGINT, begun_by VARCHAR(512), first BOOLEAN NOT NULL, expires_at BIGINT, data JSON NOT NULL,
    credential_id VARCHAR(1400), UNIQUE (credential_id));
CREATE INDEX upstile_authenticators_user ON upstile_authenticators (issuer, subject);
CREATE TABLE upstile_signing_keys (
    generation INTEGER NOT NULL PRIMARY KEY, kid VARCHAR(64) NOT NULL UNIQUE, sealed BLOB NOT NULL);
CREATE TABLE upstile_ephemeral (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires_at REAL NOT NULL);
CREATE INDEX upstile_ephemeral_expiry ON upstile_ephemeral (expires_at);
"""
_AUTHENTICATOR = sa.text("""
INSERT INTO upstile_authenticators VALUES (
    :id, :issuer, 'ada', :method, 'Named', :state, 1700000000, 1700000009, NULL, :first, NULL, :data, :credential)
""")


class Bound:
    """A seal that shows what it was asked for."""

    def close(self, secret: bytes, *, label: str, bound: tuple[str, ...]) -> bytes:
        """Keep everything readable."""
        return json.dumps([label, bound, secret.decode()]).encode()


RESEAL = schema.resealing(lambda: [KEY], Bound())


def make_version_1(engine: sa.Engine, issuer: str) -> None:
    """Ada has an app, a passkey, and a disabled app; something of everything else is there too."""
    with engine.begin() as connection:
        for statement in _TABLES.split(";"):
            if engine.dialect.name == "postgresql":
                statement = statement.replace("BLOB", "BYTEA").replace("REAL", "DOUBLE PRECISION")
            if statement.strip():
                connection.exec_driver_sql(statement)
        _authenticators(connection, issuer)
        _others(connection, issuer)


def _authenticators(connection: sa.Connection, issuer: str) -> None:
    app = {"seed": Fernet(KEY).encrypt(SEED).decode()}
    passkey = {"id": "credential-1", "public_key": "cose", "sign_count": 7, "backed_up": True}
    for id, method, state, data, credential_id in [
        ("app", "totp", "active", app, None),
        ("passkey", "webauthn", "active", passkey, "credential-1"),
        ("old", "totp", "disabled", app, None),
    ]:
        row = {"id": id, "issuer": issuer, "method": method, "state": state, "first": id == "old"}
        connection.execute(_AUTHENTICATOR, {**row, "data": json.dumps(data), "credential": credential_id})


def _others(connection: sa.Connection, issuer: str) -> None:
    sealed = Fernet(KEY).encrypt(SIGNING_KEY)
    connection.execute(sa.text("INSERT INTO upstile_signing_keys VALUES (1, 'kid', :sealed)"), {"sealed": sealed})
    ends = time.time() + 3600
    rows: list[dict[str, Any]] = [
        {"key": "totp-step:app", "value": b"%d" % STEP},
        {"key": "revoked:a-token-or-login", "value": b""},
        {"key": f"revoked:before 1700000000 {issuer} ada", "value": b""},
        {"key": f"revoked:before 1700000005 {issuer} ada", "value": b""},
        {"key": f"tries:{issuer} ada", "value": b"{}"},
        {"key": "login:sid", "value": b"{}"},
    ]
    statement = sa.text("INSERT INTO upstile_ephemeral VALUES (:key, :value, :ends)")
    connection.execute(statement, [{**row, "ends": ends} for row in rows])
