"""Sizes that a stranger chooses: what is too long, too short or padded is refused, even where the number is right."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from upstile.protocol import (
    InvalidProof,
    MalformedMessage,
    base64url_decode,
    base64url_encode,
    create_proof,
    es256_jwk,
    es256_key,
    es256_sign,
    es256_verifier,
    verify_proof,
)

KEY = ec.generate_private_key(ec.SECP256R1())
JWK = es256_jwk(KEY.public_key())
NOW = 1_800_000_000
URL = "https://api.example.com/"


def _proof(padding: int = 0, jti: str = "jti") -> str:
    return create_proof(KEY, htm="GET", htu=URL, now=NOW, jti=jti, nonce="n" * padding)


def test_a_proof_holds_at_most_four_kibibytes() -> None:
    fits = (4096 - len(_proof())) * 3 // 4 - 1
    for padding, accepted in ((fits, True), (fits + 6, False)):
        proof = _proof(padding)
        assert (len(proof) <= 4096) is accepted
        assert _accepted(proof) is accepted


@pytest.mark.parametrize(("length", "accepted"), [(0, False), (1, True), (256, True), (257, False)])
def test_the_identifier_of_a_proof_has_at_most_256_characters(length: int, accepted: bool) -> None:
    assert _accepted(_proof(jti="j" * length)) is accepted


@pytest.mark.parametrize("name", ["x", "y"])
@pytest.mark.parametrize("change", [lambda octets: b"\x00" + octets, lambda octets: octets[1:]], ids=["long", "short"])
def test_a_coordinate_has_the_size_of_the_curve(name: str, change: Any) -> None:
    octets = base64url_decode(JWK[name])
    with pytest.raises(MalformedMessage, match="size"):
        es256_key({**JWK, name: base64url_encode(change(octets))})


def test_a_signature_is_two_numbers_of_32_bytes_however_they_could_be_read() -> None:
    signing_input, _, signature = es256_sign(KEY, {"alg": "ES256"}, {}).rpartition(".")
    whole = base64url_decode(signature)
    key, signed = KEY.public_key(), signing_input.encode()
    assert es256_verifier(key)(signed, whole)
    for other in (whole[:32] + b"\x00" + whole[32:], whole + b"\x00", whole[:-1], b""):
        assert not es256_verifier(key)(signed, other)


def _accepted(proof: str) -> bool:
    try:
        verify_proof(proof, expected_htm="GET", expected_htu=URL, now=NOW)
    except InvalidProof:
        return False
    return True
