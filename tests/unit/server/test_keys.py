"""An issuer's JWK Set: each key for its one algorithm, and one bad key is no harm to the others."""

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from upstile.server import ConfigurationError
from upstile.server.resource._issuer import Issuer
from upstile.server.resource.tokens._jwt import SignedTokens
from upstile.server.resource.tokens._keys import VerificationKeys
from upstile.server.resource.tokens._verifier import InvalidToken

NOW = 1_800_000_000
URL = "https://issuer.example"
CLAIMS = {"iss": URL, "aud": URL, "sub": "ada", "client_id": "cli", "iat": NOW, "exp": NOW + 300, "jti": "j"}
KEYS: dict[str, Any] = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "RS256": rsa.generate_private_key(65537, key_size=2048),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "PS256": rsa.generate_private_key(65537, key_size=2048),
}


def jwk(of: str, key: Any = None, /, **members: Any) -> dict[str, Any]:
    public = jwt.get_algorithm_by_name(of).to_jwk((key or KEYS[of]).public_key(), as_dict=True)
    merged = {**public, "kid": of, "alg": of, "use": "sig", **members}
    return {name: value for name, value in merged.items() if value is not None}


SET = [jwk(alg) for alg in KEYS]


def verifier(jwks: list[dict[str, Any]]) -> SignedTokens:
    keys = VerificationKeys(jwks)
    return SignedTokens(issuer=Issuer(identifier=URL), audience=frozenset({URL}), keys=lambda: keys)


def token(alg: str, key: Any = None, kid: str | None = None) -> str:
    return jwt.encode(CLAIMS, key or KEYS[alg], alg, headers={"typ": "at+jwt", "kid": kid or alg})


@pytest.mark.parametrize("alg", KEYS)
@pytest.mark.parametrize("named", [True, False], ids=["alg in the key", "no alg in the key"])
def test_a_token_by_each_key_of_a_set_is_verified(alg: str, named: bool) -> None:
    if alg == "PS256" and not named:
        return  # an RSA key that names no algorithm is for RS256
    jwks = [key if named else {**key, "alg": None} for key in SET]
    checked = verifier([{name: value for name, value in key.items() if value is not None} for key in jwks])
    assert checked.verify(token(alg), NOW).subject == "ada"


@pytest.mark.parametrize(
    "bad",
    [
        jwk("ES512", ec.generate_private_key(ec.SECP521R1()), kid="bad"),
        jwk("ES256", ec.generate_private_key(ec.SECP384R1()), kid="bad", alg="ES256"),
        jwk("ES256", kid="bad", alg="ECDH-ES"),
        jwk("ES256", kid="bad", alg="RS256"),
        jwk("ES256", kid="bad", y="AAAA"),
        jwk("ES256", kid="bad", x=7),
        jwk("ES256", kid=None),
        jwk("ES256", kid=""),
        jwk("ES256", kid=["bad"]),
        jwk("EdDSA", ed448.Ed448PrivateKey.generate(), kid="bad"),
        jwk("EdDSA", kid="bad", x="AAAA"),
        jwk("EdDSA", kid="bad", alg="ES256"),
        jwk("RS256", kid="bad", alg="PS384"),
        jwk("RS256", kid="bad", n=None),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "bad", "alg": "HS256"},
        {"kty": "AKP", "kid": "bad", "alg": "ML-DSA-44", "pub": "AAAA"},
        {"kid": "bad"},
        {},
    ],
    ids=lambda key: "-".join(str(key.get(name)) for name in ("kty", "crv", "alg", "kid")),
)
def test_a_key_that_cannot_be_used_is_left_out_with_a_line_in_the_log(
    bad: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    checked = verifier([bad, *SET])
    for alg in KEYS:
        assert checked.verify(token(alg), NOW).subject == "ada"
    (record,) = caplog.records
    assert (record.levelname, record.name) == ("WARNING", "upstile.server")
    assert "is left out" in record.getMessage()
    assert "c2VjcmV0" not in caplog.text
    with pytest.raises(ConfigurationError, match="no key for ES256, ES384, EdDSA, PS256 or RS256"):
        VerificationKeys([bad])


def test_a_key_for_encryption_is_nothing_to_us(caplog: pytest.LogCaptureFixture) -> None:
    keys = VerificationKeys([*SET, jwk("ES256", kid="enc", use="enc")])
    assert keys.find("enc", "ES256") is None
    assert not caplog.records


def test_an_empty_set_is_an_error_that_says_so() -> None:
    with pytest.raises(ConfigurationError, match="it is empty"):
        VerificationKeys([])


@pytest.mark.requirement("rfc8725-3.1-algorithm")
@pytest.mark.parametrize("alg", KEYS)
@pytest.mark.parametrize("other", KEYS)
def test_a_key_verifies_its_own_algorithm_only(alg: str, other: str) -> None:
    if alg == other:
        return
    with pytest.raises(InvalidToken):
        verifier(SET).verify(token(alg, kid=other), NOW)


@pytest.mark.parametrize(
    ("in_key", "accepted"), [(None, ["EdDSA", "Ed25519"]), ("EdDSA", ["EdDSA"]), ("Ed25519", ["Ed25519"])]
)
def test_ed25519_has_two_names_and_a_key_that_says_one_is_for_that_one(in_key: str | None, accepted: list[str]) -> None:
    keys = VerificationKeys([jwk("EdDSA", alg=in_key)])
    assert [name for name in ("EdDSA", "Ed25519", "ES256") if keys.find("EdDSA", name)] == accepted


def test_an_eddsa_signature_by_another_key_or_of_another_size_is_wrong() -> None:
    checked = verifier(SET)
    head, _, signature = token("EdDSA").rpartition(".")
    for spoilt in (token("EdDSA", ed25519.Ed25519PrivateKey.generate()), f"{head}.{signature[:-2]}", f"{head}."):
        with pytest.raises(InvalidToken):
            checked.verify(spoilt, NOW)


@pytest.mark.parametrize("alg", KEYS)
def test_a_signature_that_is_not_quite_right_is_wrong(alg: str) -> None:
    checked = verifier(SET)
    head, _, signature = token(alg).rpartition(".")
    middle = len(signature) // 2
    flipped = signature[:middle] + ("A" if signature[middle] != "A" else "B") + signature[middle + 1 :]
    for spoilt in (flipped, signature[:-4], signature + "AAAA", ""):
        with pytest.raises(InvalidToken):
            checked.verify(f"{head}.{spoilt}", NOW)


def test_an_rsa_key_that_names_no_algorithm_is_for_rs256_alone() -> None:
    keys = VerificationKeys([jwk("RS256", alg=None)])
    assert [alg for alg in ("RS256", "PS256") if keys.find("RS256", alg)] == ["RS256"]
