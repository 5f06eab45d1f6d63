"""A file that version 1 itself wrote: `tests/vectors/schema1.db`, its key beside it, and what is known of it."""

import json
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from upstile.protocol import base64url_decode, es256_jwk, jwk_thumbprint
from upstile.server.storage import schema
from upstile.server.storage._records import AuthenticatorRecord, Use, User
from upstile.server.storage.sql import SqlLedger, sqlite_engine

VECTORS = Path(__file__).parents[1] / "vectors"
KNOWN: dict[str, Any] = json.loads((VECTORS / "schema1.json").read_text())
ISSUER, NOW = str(KNOWN["issuer"]), float(KNOWN["now"])
ADA, BOB = User(ISSUER, "ada"), User(ISSUER, "bob")


class Open:
    """A seal that leaves secrets readable, behind what they are bound to."""

    def close(self, secret: bytes, *, label: str, bound: tuple[str, ...]) -> bytes:
        """Put the label and the place in front."""
        return b"\x00".join([label.encode(), *(part.encode() for part in bound), b""]) + secret


def opened(sealed: bytes, *expected: str) -> bytes:
    start = b"\x00".join([*(part.encode() for part in expected), b""])
    assert sealed.startswith(start)
    return sealed.removeprefix(start)


@pytest.fixture
def engine(tmp_path: Path) -> Generator[sa.Engine]:
    """The file, upgraded."""
    path = Path(shutil.copy(VECTORS / "schema1.db", tmp_path / "bank.db"))
    made = sqlite_engine(str(path))
    with made.connect() as connection:
        assert schema.version(connection) == 1
    key = (VECTORS / "schema1.db.key").read_bytes()
    schema.prepare(made, ISSUER, schema.resealing(lambda: [key], Open()))
    yield made
    made.dispose()


@pytest.fixture
def ledger(engine: sa.Engine) -> SqlLedger:
    """A ledger in it."""
    return SqlLedger(engine, ISSUER, clock=lambda: NOW)


def seed_of(record: AuthenticatorRecord, user: User) -> str:
    sealed = base64url_decode(str(record.data["seed"]))
    return opened(sealed, "totp-seed", user.issuer, user.subject, record.id, "seed").hex()


def test_the_seeds_are_those_that_the_apps_have(ledger: SqlLedger) -> None:
    app, key = ledger.account(ADA).authenticators
    (old,) = ledger.account(BOB).authenticators
    assert (app.method, app.name, app.state) == ("totp", "phone", "active")
    assert (key.method, key.name, key.state) == ("webauthn", "blue key", "active")
    assert (old.method, old.name, old.state) == ("totp", "old phone", "disabled")
    assert seed_of(app, ADA) == KNOWN["ada"]["seed"]
    assert seed_of(old, BOB) == KNOWN["bob"]["seed"]


def test_a_step_that_was_used_before_stays_used(ledger: SqlLedger) -> None:
    app, _ = ledger.account(ADA).authenticators
    last = int(KNOWN["ada"]["last_step"])
    assert not ledger.use(Use(user=ADA, id=app.id, counter=last, at=int(NOW)))
    assert ledger.use(Use(user=ADA, id=app.id, counter=last + 1, at=int(NOW)))


def test_the_security_key_is_known_with_its_count(ledger: SqlLedger) -> None:
    _, key = ledger.account(ADA).authenticators
    assert base64url_decode(str(key.data["id"])) == KNOWN["ada"]["credential_id"].encode()
    assert (key.counter, "sign_count" in key.data) == (KNOWN["ada"]["sign_count"], False)


def test_the_published_key_signs_on(ledger: SqlLedger) -> None:
    (record,) = ledger.change_signing_keys(lambda keys: (keys, keys))
    (published,) = KNOWN["jwks"]["keys"]
    private = load_der_private_key(opened(record.sealed, "signing-key", ISSUER, "", record.kid, "private"), None)
    assert isinstance(private, EllipticCurvePrivateKey)
    assert record.kid == published["kid"] == jwk_thumbprint(es256_jwk(private.public_key()))


def test_what_was_revoked_stays_revoked(ledger: SqlLedger) -> None:
    kinds = [(entry.kind, entry.below) for entry in ledger.revocations_after(0, NOW)]
    assert sorted(kinds) == [("login", 0), ("logins", 1), ("proofs", 1), ("token", 0)]
    assert (ledger.account(ADA).logins, ledger.account(BOB).logins) == (0, 1)
