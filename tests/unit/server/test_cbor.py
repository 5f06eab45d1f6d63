"""The CBOR of authenticators, checked before a library interprets it (CTAP 2.1 §8, RFC 8949 §3)."""

import json
from typing import Any
from unittest.mock import Mock

import pytest
from fido2 import cbor
from hypothesis import given
from hypothesis import strategies as st
from webauthn.helpers import parse_authenticator_data

from support.own_methods import ADA, PURPOSE, context, done, wanted
from support.wire_driver import Passkey
from upstile.protocol import AnswerRequest, base64url_decode, base64url_encode
from upstile.server.authorization.methods.webauthn import _webauthn as webauthn
from upstile.server.authorization.methods.webauthn._cbor import (
    NotPlain,
    check_attestation,
    check_authenticator_data,
    check_item,
)
from upstile.server.authorization.methods.webauthn._webauthn import WebAuthn
from upstile.server.storage import AuthenticatorRecord

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
    method = WebAuthn().bind(context())
    new = done(method.enroll(wanted()))
    registration = Passkey().register(new.members["options"])
    record = AuthenticatorRecord(id="a", method="webauthn", name="k", state="pending", created=0, data=new.data)
    assert done(method.confirm(ADA, record, registration, 0)) is not None
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
    monkeypatch.setattr(f"{webauthn.__name__}.verify_registration_response", library := Mock())
    assert done(method.confirm(ADA, record, registration, 0)) is None
    assert library.mock_calls == []


_PUBLIC_KEY = cbor.encode({1: 2, 3: -7, -1: 1, -2: b"x" * 32, -3: b"y" * 32})
_ATTESTED = bytes(16) + b"\x00\x04abcd"
_TAGGED = b"\xd8\x23\x63(a)"  # a regular expression


@pytest.mark.parametrize("padded", [b"\x18\x01", b"\x19\x00\x01", b"\x1b" + bytes(7) + b"\x01"])
def test_a_padded_number_moves_no_item_past_the_check(padded: bytes) -> None:
    """The library looks for the extensions where the key would end if it were in the shortest form."""
    surplus = len(padded) - 1
    key = _PUBLIC_KEY[:1] + padded + _PUBLIC_KEY[2:]
    check_authenticator_data(_attested(_PUBLIC_KEY) + b"\xa0")
    with pytest.raises(NotPlain):
        check_authenticator_data(_attested(key[:-surplus] + _TAGGED[:surplus]) + _TAGGED[surplus:])
    with pytest.raises(NotPlain):
        check_authenticator_data(_attested(key) + b"\xa0")


def test_a_key_that_stands_twice_moves_no_item_past_the_check() -> None:
    twice = b"\xa6" + _PUBLIC_KEY[1:] + b"\x01\x02"
    with pytest.raises(NotPlain):
        check_authenticator_data(_attested(twice) + b"\xa0")


@given(st.dictionaries(st.integers(-9, 9), PLAIN, max_size=4), st.dictionaries(st.text(max_size=8), PLAIN, max_size=3))
def test_what_passes_is_cut_by_the_library_where_we_cut_it(key: dict[int, Any], extensions: dict[str, Any]) -> None:
    data = _attested(cbor.encode(key)) + cbor.encode(extensions)
    try:
        check_authenticator_data(data)
    except NotPlain:
        return
    parsed = parse_authenticator_data(data)
    assert parsed.attested_credential_data is not None
    assert parsed.attested_credential_data.credential_public_key == cbor.encode(key)
    assert parsed.extensions == cbor.encode(extensions)


def test_a_tag_in_an_assertion_never_reaches_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    method, passkey = WebAuthn().bind(context()), Passkey()
    new = done(method.enroll(wanted()))
    pending = AuthenticatorRecord(id="a", method="webauthn", name="k", state="pending", created=0, data=new.data)
    confirmed = done(method.confirm(ADA, pending, passkey.register(new.members["options"]), 0))
    assert confirmed is not None
    record = AuthenticatorRecord(
        id="a", method="webauthn", name="k", state="active", created=0, data=confirmed.data, counter=confirmed.counter
    )
    offered = method.offer([record], PURPOSE, user_verification=True, before={})
    assertion: Any = passkey.sign(offered.offers[0].options or {})
    monkeypatch.setattr(f"{webauthn.__name__}.verify_authentication_response", library := Mock())
    for data in (_head() + _TAGGED, _attested(_PUBLIC_KEY) + _TAGGED):
        assertion["response"]["authenticatorData"] = base64url_encode(data)
        answer = AnswerRequest(
            client_id="app", auth_session="s", authn_method="webauthn", authn_response=json.dumps(assertion)
        )
        assert done(method.verify(method.read(answer), offered.state, ADA, [record], 0)) is None
    assert library.mock_calls == []


def _attested(key: bytes) -> bytes:
    return bytes(32) + b"\xc5" + bytes(4) + _ATTESTED + key
