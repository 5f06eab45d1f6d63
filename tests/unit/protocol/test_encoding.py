"""Base64url, JSON, keys, PKCE, forms: strict on the way in."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from upstile.protocol import (
    MalformedMessage,
    base64url_decode,
    base64url_encode,
    bound_challenge,
    code_challenge,
    code_verifier_matches,
    es256_jwk,
    es256_key,
    is_code_challenge,
    json_object,
    jwk_thumbprint,
    parse_form,
    serialize_form,
)

RFC7638: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "rfc7638.json").read_text())
BOUND: dict[str, Any] = {
    "nonce": "bm9uY2U",
    "iss": "https://as.example",
    "client_id": "cli",
    "jkt": "thumb",
    "resource": "https://api.example",
    "authorization_details": [{"type": "payment", "amount": "5.00"}],
}


@given(st.binary(max_size=64))
def test_bytes_survive_base64url(data: bytes) -> None:
    assert base64url_decode(base64url_encode(data)) == data


_SPELLINGS = (
    st.text("AQgwBCDx09-_", max_size=12)
    | st.text('AQgw-_+/="\\\\u0041 \n\r\t\x00é\ud800', max_size=12)
    | st.text(max_size=8)
)


@settings(max_examples=2000)
@given(text=_SPELLINGS)
def test_a_text_is_read_if_and_only_if_its_bytes_are_written_so(text: str) -> None:
    try:
        data = base64url_decode(text)
    except MalformedMessage:
        data = None
    ascii_text = text.encode("ascii", "replace")
    try:
        reference = urlsafe_b64decode(ascii_text + b"=" * (-len(text) % 4))
    except ValueError:
        reference = None
    canonical = reference is not None and urlsafe_b64encode(reference).rstrip(b"=") == ascii_text
    assert data == (reference if canonical else None)


def test_a_text_that_is_refused_is_not_in_the_error_nor_in_its_cause() -> None:
    with pytest.raises(MalformedMessage) as caught:
        base64url_decode("secret*secret*")
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"


@pytest.mark.parametrize("text", ["QQ==", "Q", "QR", "QUJ", "a+b_", "a/b_", "QQ\n", " QQ", "Q\u00e4", "QUI*"])
def test_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessage):
        base64url_decode(text)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "1",
        '{"a":1,"a":2}',
        '{"a":NaN}',
        "{",
        "",
        '{"a":{"b":1,"b":1}}',
        "[" * 100000,
        '{"a":"\\ud800"}',
        '{"\\uDC00":1}',
    ],
)
def test_json_that_is_not_one_clear_object_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessage):
        json_object(text)


@pytest.mark.requirement("rfc7638-3-thumbprint")
def test_the_thumbprint_of_the_rfc() -> None:
    assert jwk_thumbprint(RFC7638["jwk"]) == RFC7638["thumbprint"]


@pytest.mark.parametrize(
    "jwk", [{}, {"kty": "oct", "k": "x"}, {"kty": "EC", "crv": "P-256", "x": "AA"}, {"kty": "RSA", "n": 1}]
)
def test_no_thumbprint_of_what_is_no_public_key(jwk: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        jwk_thumbprint(jwk)


def test_a_key_survives_its_jwk() -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    assert es256_key(es256_jwk(key)).public_numbers() == key.public_numbers()


def test_the_challenge_of_rfc_7636_appendix_b() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert code_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert code_verifier_matches(verifier, code_challenge(verifier))
    assert not code_verifier_matches(verifier[:-1] + "l", code_challenge(verifier))
    assert not code_verifier_matches("short", code_challenge("short"))
    assert is_code_challenge(code_challenge(verifier))
    assert not is_code_challenge(verifier + "=")


def test_the_bound_challenge_is_the_hash_of_canonical_json() -> None:
    expected = sha256(b"upstile/1\x00" + rfc8785.dumps(BOUND)).digest()
    assert bound_challenge(**BOUND) == expected
    by_hand = (
        b'upstile/1\x00{"authorization_details":[],"client_id":"c","iss":"i","jkt":null,"nonce":"n","resource":"r"}'
    )
    assert bound_challenge(nonce="n", iss="i", client_id="c", jkt=None, resource="r") == sha256(by_hand).digest()


@pytest.mark.parametrize("member", sorted(BOUND))
def test_each_member_changes_the_challenge(member: str) -> None:
    changed = {**BOUND, member: [] if member == "authorization_details" else "another"}
    assert bound_challenge(**changed) != bound_challenge(**BOUND)


def test_the_order_of_names_in_the_details_changes_nothing() -> None:
    turned = {**BOUND, "authorization_details": [{"amount": "5.00", "type": "payment"}]}
    assert bound_challenge(**turned) == bound_challenge(**BOUND)


def test_details_that_canonical_json_cannot_carry_are_refused() -> None:
    with pytest.raises(MalformedMessage):
        bound_challenge(**{**BOUND, "authorization_details": [{"amount": 2**60}]})


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=8), max_size=8))
def test_a_form_survives(form: dict[str, str]) -> None:
    assert parse_form(serialize_form(form)) == form


@pytest.mark.parametrize(
    "body", [b"a=1&a=2", b"a=1&%61=2", b"a=\xff", b"a=%ff", b"&".join(b"a%d=1" % n for n in range(99))]
)
def test_a_form_that_is_not_clear_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_form(body)


def test_an_empty_parameter_counts_as_omitted() -> None:
    assert parse_form(b"a=&b=1") == {"b": "1"}
