"""A registration whose signatures would take long to check never reaches the library that checks them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import CertificateBuilder, Name, random_serial_number
from fido2 import cbor

from support.own_methods import ADA, context, done, wanted
from support.wire_driver import Passkey
from upstile.protocol import base64url_decode, base64url_encode
from upstile.server.authorization.methods import WebAuthn
from upstile.server.authorization.methods.webauthn import _webauthn as webauthn
from upstile.server.authorization.methods.webauthn._slow_keys import Slow, check_keys
from upstile.server.storage import AuthenticatorRecord

MODULUS = (1 << 3071) + 1
SLOW = [(MODULUS, (1 << 3070) + 1), (MODULUS, 65539), ((1 << 8191) + 1, 65537)]
USUAL = [((1 << 2047) + 1, 65537), (MODULUS, 65537), ((1 << 4095) + 1, 65537)]


def _attestation(registration: dict[str, Any], key: bytes | None = None, chain: list[bytes] | None = None) -> bytes:
    """The attestation object of a registration, with another key, or signed by the key of a certificate."""
    parts: Any = cbor.decode(base64url_decode(registration["response"]["attestationObject"]))
    data: bytes = parts["authData"]
    if key is not None:
        data = data[: 37 + 16 + 2 + int.from_bytes(data[53:55], "big")] + key
    statement = {} if chain is None else {"alg": -257, "sig": b"s", "x5c": chain}
    return cbor.encode({"fmt": "none" if chain is None else "packed", "authData": data, "attStmt": statement})


def _cose(n: int, e: int) -> bytes:
    return cbor.encode({1: 3, 3: -257, -1: _bytes(n), -2: _bytes(e)})


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _certificate(n: int, e: int) -> bytes:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    builder = CertificateBuilder(Name([]), Name([]), rsa.RSAPublicNumbers(e, n).public_key(), random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("where", ["key", "certificate"])
@pytest.mark.parametrize(("n", "e"), SLOW)
def test_a_key_that_takes_long_is_refused_before_the_library_sees_it(
    monkeypatch: pytest.MonkeyPatch, where: str, n: int, e: int
) -> None:
    method = WebAuthn().bind(context())
    new = done(method.enroll(wanted()))
    registration = Passkey().register(new.members["options"])
    key, chain = (_cose(n, e), None) if where == "key" else (None, [_certificate(n, e)])
    attestation = _attestation(registration, key, chain)
    with pytest.raises(Slow):
        check_keys(attestation)
    registration["response"]["attestationObject"] = base64url_encode(attestation)
    record = AuthenticatorRecord(id="a", method="webauthn", name="k", state="pending", created=0, data=new.data)
    monkeypatch.setattr(f"{webauthn.__name__}.verify_registration_response", library := Mock())
    assert done(method.confirm(ADA, record, registration, 0)) is None
    assert library.mock_calls == []


@pytest.mark.parametrize(("n", "e"), USUAL)
def test_keys_that_authenticators_have_are_let_through(n: int, e: int) -> None:
    registration = Passkey().register(done(WebAuthn().bind(context()).enroll(wanted())).members["options"])
    check_keys(_attestation(registration))
    check_keys(_attestation(registration, _cose(n, e)))
    check_keys(_attestation(registration, chain=[_certificate(n, e)]))


@pytest.mark.parametrize(("length", "fits"), [(1023, True), (1024, False)])
def test_an_identifier_has_as_many_bytes_as_the_standard_allows(length: int, fits: bool) -> None:
    """WebAuthn §7.1: longer ones are refused; the column of a database is as long."""
    method, passkey = WebAuthn().bind(context()), Passkey()
    passkey.id = b"x" * length
    new = done(method.enroll(wanted()))
    record = AuthenticatorRecord(id="a", method="webauthn", name="k", state="pending", created=0, data=new.data)
    assert (done(method.confirm(ADA, record, passkey.register(new.members["options"]), 0)) is not None) is fits
