"""The hot path's decoder beside PyJWT: whatever it accepts, PyJWT accepts, with the same claims."""

import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt import PyJWK

from upstile.protocol import base64url_decode, base64url_encode
from upstile.server import ConfigurationError
from upstile.server.resource._issuer import Issuer
from upstile.server.resource.tokens._jwt import SignedTokens
from upstile.server.resource.tokens._keys import VerificationKeys
from upstile.server.resource.tokens._token_cache import TokenCache
from upstile.server.resource.tokens._verifier import InvalidToken

NOW = 1_800_000_000
URL = "https://api.example.com"
KEYS: dict[str, Any] = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(65537, key_size=2048),
}
JWKS = [
    {**jwt.get_algorithm_by_name(alg).to_jwk(key.public_key(), as_dict=True), "kid": alg, "alg": alg}
    for alg, key in KEYS.items()
]
CLAIMS: dict[str, Any] = {
    "iss": URL,
    "aud": URL,
    "sub": "ada",
    "client_id": "cli",
    "iat": NOW,
    "exp": NOW + 300,
    "jti": "j",
    "scope": "a b",
    "acr": "mfa",
    "amr": ["otp"],
    "auth_time": NOW,
}


def made(alg: str = "ES256", header: dict[str, Any] | None = None, key: Any = None, **claims: Any) -> str:
    members = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    return jwt.encode(members, key or KEYS[alg], alg, headers={"typ": "at+jwt", "kid": alg, **(header or {})})


def verifier(keys: VerificationKeys | None = None, **options: Any) -> SignedTokens:
    found = keys or VerificationKeys(JWKS)
    return SignedTokens(
        issuer=Issuer(identifier=URL, marks_single_use=True),
        audience=frozenset({URL}),
        keys=lambda: found,
        **options,
    )


def peer(token: str) -> dict[str, Any]:
    header = jwt.get_unverified_header(token)
    jwk = next(jwk for jwk in JWKS if jwk["kid"] == header.get("kid"))
    if header.get("typ") not in ("at+jwt", "application/at+jwt") or header["alg"] != jwk["alg"]:
        raise jwt.InvalidTokenError
    options: Any = {"verify_exp": False, "verify_iat": False}
    claims: dict[str, Any] = jwt.decode(
        token, PyJWK.from_dict(jwk), algorithms=[jwk["alg"]], audience=URL, issuer=URL, options=options
    )
    if claims["exp"] <= NOW:
        raise jwt.ExpiredSignatureError
    return claims


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_a_sound_token_says_what_it_says(alg: str) -> None:
    token = verifier().verify(made(alg, cnf={"jkt": "thumb"}, sid="s", single_use=True), NOW)
    assert (token.subject, token.client_id, token.scope) == ("ada", "cli", frozenset("ab"))
    assert (token.jkt, token.sid, token.single_use, token.auth_time) == ("thumb", "s", True, NOW)


@pytest.mark.requirement("rfc9068-4-validation")
@pytest.mark.parametrize(
    "token",
    [
        made(header={"typ": "JWT"}),
        made(header={"typ": "id+jwt"}),
        made(header={"kid": "RS256"}),
        made(header={"kid": "unknown"}),
        made(header={"crit": ["exp"]}),
        made(key=ec.generate_private_key(ec.SECP256R1())),
        jwt.encode(CLAIMS, "", "none", headers={"typ": "at+jwt", "kid": "ES256"}),
        made(iss="https://evil.example"),
        made(iss=None),
        made(aud="https://other.example"),
        made(aud=["https://other.example"]),
        made(aud=None),
        made(exp=NOW),
        made(exp=None),
        made(exp="soon"),
        made(exp=True),
        made(iat=None),
        made(sub=None),
        made(sub=1),
        made(client_id=None),
        made(jti=None),
        made(scope=["a"]),
        made(acr=1),
        made(amr="otp"),
        made(auth_time="now"),
        made(nbf=NOW + 1),
        made(nbf="now"),
        made(cnf={"x5t#S256": "x"}),
        made(cnf={"jkt": "a", "jwk": {}}),
        made(cnf="x"),
        made(authorization_details={}),
        made(pad="x" * 20_000),
        made() + "=",
        made() + ".x",
        made().rpartition(".")[0],
        "",
        "..",
        "\u00e4.b.c",
        made().replace(".", "..", 1),
    ],
)
def test_a_faulty_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidToken) as caught:
        verifier().verify(token, NOW)
    assert not token or token[:20] not in str(caught.value)


@pytest.mark.requirement("rfc8725-3.1-algorithm")
def test_a_public_key_is_no_shared_secret() -> None:
    pem = KEYS["RS256"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = base64url_encode(json.dumps({"typ": "at+jwt", "alg": "HS256", "kid": "RS256"}).encode())
    payload = base64url_encode(json.dumps(CLAIMS).encode())
    mac = hmac.digest(pem, f"{header}.{payload}".encode(), "sha256")
    with pytest.raises(InvalidToken):
        verifier().verify(f"{header}.{payload}.{base64url_encode(mac)}", NOW)


def test_an_audience_may_be_one_of_several() -> None:
    assert verifier().verify(made(aud=["https://other.example", URL]), NOW).audience == ("https://other.example", URL)


@settings(max_examples=400)
@given(alg=st.sampled_from(["ES256", "RS256"]), data=st.data())
def test_whatever_is_accepted_pyjwt_accepts_with_the_same_claims(alg: str, data: st.DataObject) -> None:
    token = made(alg)
    position = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.sampled_from("ABCabc019-_.=+/"))
    mutated = token[:position] + character + token[position + 1 :]
    try:
        ours = verifier().verify(mutated, NOW)
    except InvalidToken:
        return
    theirs = peer(mutated)
    assert (ours.subject, *ours.acr, ours.jti) == (theirs["sub"], theirs["acr"], theirs["jti"])


@given(header=st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "jwk", "b64"]), st.text(max_size=6)))
def test_no_header_of_a_strangers_making_is_accepted(header: dict[str, str]) -> None:
    _, payload, signature = made().split(".")
    forged = f"{base64url_encode(json.dumps(header).encode())}.{payload}.{signature}"
    with pytest.raises(InvalidToken):
        verifier().verify(forged, NOW)


def test_another_spelling_of_the_signature_is_refused() -> None:
    head, _, signature = made().rpartition(".")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = signature[:-1] + last[last.index(signature[-1]) + 1]
    assert base64url_decode(signature)
    with pytest.raises(InvalidToken):
        verifier().verify(f"{head}.{twin}", NOW)


def test_a_cached_token_expires_and_a_withdrawn_key_ends_cached_and_new_ones() -> None:
    current = [VerificationKeys(JWKS)]
    checked = SignedTokens(issuer=Issuer(identifier=URL), audience=frozenset({URL}), keys=lambda: current[0])
    token = made()
    checked.verify(token, NOW)
    with pytest.raises(InvalidToken, match="expired"):
        checked.verify(token, NOW + 300)
    current[0] = VerificationKeys([jwk for jwk in JWKS if jwk["alg"] == "RS256"])
    for withdrawn in (token, made(jti="another")):
        with pytest.raises(InvalidToken, match="no key"):
            checked.verify(withdrawn, NOW)


@pytest.mark.parametrize("payload", [b"[]", b"1", b"{", b'{"a":NaN}', b'{"iss":"\\ud800"}', b"\xff", b"[" * 5000])
def test_claims_that_are_no_json_object_are_refused_even_when_they_are_signed(payload: bytes) -> None:
    signed = jwt.api_jws.encode(payload, KEYS["ES256"], "ES256", headers={"typ": "at+jwt", "kid": "ES256"})
    with pytest.raises(InvalidToken):
        verifier().verify(signed, NOW)


def test_of_a_claim_that_stands_twice_the_last_counts_as_it_does_for_pyjwt() -> None:
    twice = json.dumps(CLAIMS).removesuffix("}") + ', "acr": "phr"}'
    signed = jwt.api_jws.encode(twice.encode(), KEYS["ES256"], "ES256", headers={"typ": "at+jwt", "kid": "ES256"})
    assert peer(signed)["acr"] == "phr"
    assert verifier().verify(signed, NOW).acr == {"phr"}


def test_the_cache_is_bounded_and_holds_no_token() -> None:
    cache, token = TokenCache(100), verifier().verify(made(), NOW)
    for number in range(10_000):
        cache.put(TokenCache.key(str(number)), token)
    assert len(cache) <= 100
    assert cache.get(TokenCache.key("9999"), NOW) is token
    assert cache.get(TokenCache.key("1"), NOW) is None


@pytest.mark.parametrize("jwks", [[], [{"kty": "oct", "k": "AAAA"}], [{**JWKS[0], "use": "enc"}]])
def test_keys_that_verify_nothing_are_an_error_at_start_up(jwks: list[dict[str, Any]]) -> None:
    with pytest.raises(ConfigurationError):
        VerificationKeys(jwks)
