"""DPoP proofs (RFC 9449 §4): the RFC's own, and each check attacked alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from upstile.protocol import (
    InvalidProof,
    base64url_encode,
    create_proof,
    es256_jwk,
    jwk_thumbprint,
    normalized_htu,
    token_hash,
    verify_proof,
)

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "rfc9449.json").read_text())
KEY = ec.generate_private_key(ec.SECP256R1())
JWK = es256_jwk(KEY.public_key())
NOW = 1_800_000_000
URL = "https://api.example.com/transfers"
HEADER = {"typ": "dpop+jwt", "jwk": JWK}
CLAIMS: dict[str, Any] = {"jti": "a-random-jti", "htm": "POST", "htu": URL, "iat": NOW, "ath": token_hash("token")}


def signed(header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None, key: Any = KEY) -> str:
    members = {name: value for name, value in {**CLAIMS, **(claims or {})}.items() if value is not None}
    headers = {**HEADER, **(header or {})}
    return jwt.encode(members, key, headers.pop("alg", "ES256"), headers=headers)


def check(proof: str, **changed: Any) -> None:
    expected: dict[str, Any] = {"expected_htm": "POST", "expected_htu": URL, "now": NOW}
    verify_proof(proof, **{**expected, "expected_access_token": "token", **changed})


@pytest.mark.parametrize("vector", VECTORS["proofs"], ids=["token", "refresh", "resource"])
def test_the_proofs_of_the_rfc_are_good(vector: dict[str, Any]) -> None:
    token = VECTORS["access_token"] if vector["htm"] == "GET" else None
    proof = verify_proof(
        vector["proof"],
        expected_htm=vector["htm"],
        expected_htu=vector["htu"],
        expected_access_token=token,
        now=vector["iat"],
    )
    assert (proof.jkt, proof.jti, proof.iat) == (VECTORS["jkt"], vector["jti"], vector["iat"])


def test_the_hash_of_the_rfcs_token() -> None:
    assert token_hash(VECTORS["access_token"]) == VECTORS["ath"]


def test_a_sound_proof_passes() -> None:
    check(signed())


@pytest.mark.requirement("rfc9449-4.3-checks")
@pytest.mark.parametrize(
    "make",
    [
        lambda: signed({"typ": "JWT"}),
        lambda: jwt.encode(CLAIMS, "", "none", headers=HEADER),
        lambda: jwt.encode(CLAIMS, b"k" * 32, "HS256", headers=HEADER),
        lambda: signed({"jwk": {**JWK, "d": "AAAA"}}),
        lambda: signed({"jwk": "text"}),
        lambda: jwt.encode(CLAIMS, KEY, "ES256", headers={"typ": "dpop+jwt"}),
        lambda: signed({"jwk": {**JWK, "kty": "RSA"}}),
        lambda: signed({"jwk": {**JWK, "crv": "P-384"}}),
        lambda: signed({"jwk": {**JWK, "x": JWK["y"]}}),
        lambda: signed({"jwk": {**JWK, "x": "AAAA"}}),
        lambda: signed({"crit": ["exp"]}),
        lambda: signed(key=ec.generate_private_key(ec.SECP256R1())),
        lambda: signed(claims={"htm": "GET"}),
        lambda: signed(claims={"htm": None}),
        lambda: signed(claims={"htu": "https://api.example.com/other"}),
        lambda: signed(claims={"htu": "https://evil.example/transfers"}),
        lambda: signed(claims={"htu": "http://api.example.com/transfers"}),
        lambda: signed(claims={"htu": None}),
        lambda: signed(claims={"htu": "https://[bad"}),
        lambda: signed(claims={"iat": NOW - 61}),
        lambda: signed(claims={"iat": NOW + 61}),
        lambda: signed(claims={"iat": str(NOW)}),
        lambda: signed(claims={"iat": None}),
        lambda: signed(claims={"iat": 10**400}),
        lambda: signed(claims={"jti": None}),
        lambda: signed(claims={"jti": ""}),
        lambda: signed(claims={"jti": "x" * 257}),
        lambda: signed(claims={"ath": token_hash("another")}),
        lambda: signed(claims={"ath": None}),
        lambda: signed() + "x" * 5000,
        lambda: signed() + "=",
        lambda: signed().rpartition(".")[0],
        lambda: "",
        lambda: "a.b.c",
        lambda: _with_payload(signed(), b'{"jti":"a","jti":"b"}'),
        lambda: _with_payload(signed(), json.dumps({**CLAIMS, "htm": "GET"}).encode()),
    ],
)
def test_a_proof_that_fails_one_check_is_refused(make: Callable[[], str]) -> None:
    with pytest.raises(InvalidProof):
        check(make())


@given(text=st.text(), position=st.integers(0, 400))
def test_whatever_text_a_proof_is_it_is_refused_and_never_a_crash(text: str, position: int) -> None:
    proof = signed()
    for spoilt in (text, proof[:position] + "\ud800" + proof[position:], f"{proof.rpartition('.')[0]}.{text}x"):
        with pytest.raises(InvalidProof):
            check(spoilt)


def test_a_request_target_with_a_query_or_a_fragment_has_no_proof() -> None:
    for path in ("?q", "#/../admin"):
        with pytest.raises(InvalidProof):
            check(signed(claims={"htu": URL}), expected_htu=URL + path)


def test_a_demanded_nonce_must_be_there() -> None:
    check(signed(claims={"nonce": "n"}), expected_nonce="n")
    for claims in ({}, {"nonce": "other"}, {"nonce": 1}):
        with pytest.raises(InvalidProof):
            check(signed(claims=claims), expected_nonce="n")


@pytest.mark.requirement("rfc9449-4.3-htu")
@pytest.mark.parametrize(
    "htu",
    [URL + "?to=acme", URL + "#part", "HTTPS://API.example.COM/transfers", "https://api.example.com:443/transfers"],
)
def test_the_url_is_compared_as_the_rfc_says(htu: str) -> None:
    check(signed(claims={"htu": htu}))


def test_paths_are_not_guessed_to_be_the_same() -> None:
    assert normalized_htu("https://a.example") == normalized_htu("https://a.example/")
    assert normalized_htu("https://a.example/a%2Fb") != normalized_htu("https://a.example/a/b")
    assert normalized_htu("http://[::1]:8000/x") == "http://[::1]:8000/x"


@given(htm=st.sampled_from(["GET", "POST"]), path=st.text("abc/%20", max_size=20), jti=st.uuids().map(str))
def test_what_is_made_is_accepted(htm: str, path: str, jti: str) -> None:
    url = f"https://api.example.com/{path}"
    made = create_proof(KEY, htm=htm, htu=url + "?query", now=NOW, jti=jti, access_token="token", nonce="n")
    proof = verify_proof(
        made, expected_htm=htm, expected_htu=url, expected_access_token="token", expected_nonce="n", now=NOW + 60
    )
    assert (proof.jkt, proof.jti) == (jwk_thumbprint(JWK), jti)


def test_a_refusal_never_shows_the_proof() -> None:
    proof = signed(claims={"htm": "GET"})
    with pytest.raises(InvalidProof) as caught:
        check(proof)
    assert all(part not in str(caught.value) for part in proof.split("."))


def _with_payload(proof: str, payload: bytes) -> str:
    header, _, signature = proof.split(".")
    return f"{header}.{base64url_encode(payload)}.{signature}"
