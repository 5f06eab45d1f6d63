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
        lambda: signed(claims={"iat": NOW + 60.1}),
        lambda: signed(claims={"iat": NOW - 60.1}),
        lambda: _with_claims(CLAIMS | {"iat": float("inf")}),
        lambda: _with_claims(CLAIMS | {"iat": float("nan")}),
        lambda: _with_claims(CLAIMS | {"iat": [NOW]}),
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


def test_iat_may_have_a_fraction_and_is_meant_to_it() -> None:
    for iat in (NOW + 0.5, NOW + 59.9, NOW - 60.0, float(NOW)):
        check(signed(claims={"iat": iat}))
    check(signed(claims={"iat": NOW + 60}), now=NOW + 0.5)
    with pytest.raises(InvalidProof):
        check(signed(claims={"iat": NOW - 60}), now=NOW + 0.5)


def test_true_is_no_time() -> None:
    for iat in (True, False):
        with pytest.raises(InvalidProof):
            check(signed(claims={"iat": iat}), now=1)
    check(signed(claims={"iat": 1}), now=1)


def test_a_proof_that_names_a_development_server_by_its_number_is_told_so() -> None:
    named = "http://localhost:8000/transfers"
    for host in ("127.0.0.1", "[::1]"):
        with pytest.raises(InvalidProof) as caught:
            check(signed(claims={"htu": f"http://{host}:8000/transfers"}), expected_htu=named)
        assert "localhost" in str(caught.value.detail)
    for htu, expected in (("http://127.0.0.1:9000/transfers", named), ("http://127.0.0.1/transfers", URL)):
        with pytest.raises(InvalidProof) as caught:
            check(signed(claims={"htu": htu}), expected_htu=expected)
        assert caught.value.detail is None


def test_a_proof_for_the_very_dot_segments_of_a_request_is_refused() -> None:
    for path in ("/a/../transfers", "/%2e%2e/transfers", "/.%2E"):
        with pytest.raises(InvalidProof):
            check(signed(claims={"htu": URL + path}), expected_htu=URL + path)


def test_a_percent_sign_in_a_path_that_is_known_only_decoded_has_no_proof() -> None:
    with pytest.raises(InvalidProof):
        check(signed(claims={"htu": URL + "/a%25"}), expected_htu=URL + "/a%25", path_decoded=True)
    check(signed(claims={"htu": URL + "/a%20b%40"}), expected_htu=URL + "/a%20b%40", path_decoded=True)


def test_the_url_in_a_proof_that_is_made_is_normalised() -> None:
    made = create_proof(KEY, htm="GET", htu="HTTPS://API.example.com:443/a/../%7eb%2f?q#f", now=NOW, jti="j")
    assert jwt.decode(made, options={"verify_signature": False})["htu"] == "https://api.example.com/~b%2F"


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


def test_claims_of_any_spelling_are_signed_as_a_proof_is() -> None:
    check(_with_claims(CLAIMS))


def test_a_refusal_never_shows_the_proof() -> None:
    proof = signed(claims={"htm": "GET"})
    with pytest.raises(InvalidProof) as caught:
        check(proof)
    assert all(part not in str(caught.value) for part in proof.split("."))


def _with_claims(claims: dict[str, Any]) -> str:
    """Signed whatever it is: PyJWT would not write each of them."""
    header = base64url_encode(json.dumps({**HEADER, "alg": "ES256"}).encode())
    signing_input = f"{header}.{base64url_encode(json.dumps(claims).encode())}"
    signature = jwt.get_algorithm_by_name("ES256").sign(signing_input.encode(), KEY)
    return f"{signing_input}.{base64url_encode(signature)}"


def _with_payload(proof: str, payload: bytes) -> str:
    header, _, signature = proof.split(".")
    return f"{header}.{base64url_encode(payload)}.{signature}"
