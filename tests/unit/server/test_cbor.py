"""The CBOR of authenticators, checked before a library interprets it (CTAP 2.1 §8, RFC 8949 §3)."""

from typing import Any

import pytest
from fido2 import cbor
from hypothesis import given
from hypothesis import strategies as st

from support.wire_driver import Passkey
from upstile.protocol import base64url_decode, base64url_encode
from upstile.server.authorization.methods._cbor import NotPlain, check_attestation, check_authenticator_data, check_item
from upstile.server.authorization.methods._webauthn import WebAuthn
from upstile.server.storage import AuthenticatorRecord, User

URL = "http://localhost:8000"
PLAIN = st.recursive(
    st.integers(-(2**63), 2**63) | st.text(max_size=40) | st.binary(max_size=300) | st.booleans(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=12,
)


def _head() -> bytes:
    return bytes(32) + b"\x85" + bytes(4)  # present, verified, with extensions


@given(PLAIN)
def test_what_an_authenticator_library_writes_is_plain_as_deep_as_one_writes(value: Any) -> None:
    encoded = cbor.encode(value)
    if _depth(value) <= 6:
        check_item(encoded)
    for tagged in (b"\xd8\x23" + encoded, b"\x81\xc0" + encoded, b"\xa1\x61a\xd8\x24" + encoded):
        with pytest.raises(NotPlain):
            check_item(tagged)
    with pytest.raises(NotPlain):
        check_item(encoded + b"\x00")
    with pytest.raises(NotPlain):
        check_item(encoded[:-1])


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=-1)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x9f\xff",  # indefinite lengths
        b"\x7f\x61a\xff",
        b"\xf9\x3c\x00",  # a fraction
        b"\xf7",  # undefined
        b"\x81" * 20_000 + b"\x00",  # deep
        b"\x9b" + b"\xff" * 8,  # huge, as declared
        b"\x5b" + b"\xff" * 8,
        b"\xb8\xff" + b"\x00" * 510,  # many entries
    ],
)
def test_what_no_authenticator_writes_is_refused(data: bytes) -> None:
    with pytest.raises(NotPlain):
        check_item(data)
    with pytest.raises(NotPlain):
        check_authenticator_data(_head() + data)


@pytest.mark.parametrize("where", ["statement", "public key", "extensions"])
def test_a_tag_in_a_registration_never_reaches_the_library(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    method = WebAuthn(issuer=URL, rp_id="localhost", rp_name="Bank", origins=[URL])
    state, message = method.enroll(User(URL, "ada"), "a", "ada", [])
    registration = Passkey().register(message["options"])
    record = AuthenticatorRecord(id="a", method="webauthn", name="k", state="pending", created=0, data=state)
    assert method.confirm(User(URL, "ada"), record, registration, 0) is not None
    parts: Any = cbor.decode(base64url_decode(registration["response"]["attestationObject"]))
    regular_expression = b"\xd8\x23\x63(a)"
    data: bytes = parts["authData"]
    if where == "public key":
        data = data[: 37 + 16 + 2 + int.from_bytes(data[53:55], "big")] + regular_expression
    elif where == "extensions":
        data = data[:32] + bytes([data[32] | 0x80]) + data[33:] + regular_expression
    encoded = cbor.encode({"fmt": "none", "authData": data, "attStmt": {}})
    if where == "statement":
        encoded = encoded.replace(b"attStmt\xa0", b"attStmt" + regular_expression)
    with pytest.raises(NotPlain):
        check_attestation(encoded)
    registration["response"]["attestationObject"] = base64url_encode(encoded)
    monkeypatch.setattr("re.compile", pytest.fail)
    assert method.confirm(User(URL, "ada"), record, registration, 0) is None
