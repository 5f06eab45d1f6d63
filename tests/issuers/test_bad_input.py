"""Tokens and documents that are not what they should be: a clear 401 or a clear error, and no request too many."""

import hmac
import json
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from support.external_api import ExternalApi, external_api, told
from support.issuer_server import NOW, URL, IssuerServer, jwk_of, key_of
from upstile.protocol import base64url_encode
from upstile.server import ConfigurationError, IssuerUnavailable
from upstile.server.issuers import JWTVerifier

pytestmark = pytest.mark.anyio
REFUSED = (401, "invalid_token")


def signed(issuer: IssuerServer, key: str, **changed: Any) -> str:
    """A token whose signature is right, whatever its header says; a member that is `None` is left out."""
    header = {"typ": "at+jwt", "alg": "ES256", "kid": key, **changed}
    shown = {name: value for name, value in header.items() if value is not None}
    signing_input = f"{base64url_encode(json.dumps(shown).encode())}.{issuer.token().split('.')[1]}"
    r, s = decode_dss_signature(key_of(key, "ES256").sign(signing_input.encode(), ECDSA(SHA256())))
    return f"{signing_input}.{base64url_encode(r.to_bytes(32) + s.to_bytes(32))}"


def signed_with_the_public_key(issuer: IssuerServer, kid: str = "rsa") -> str:
    """HS256, with the published key as its secret (RFC 8725 §2.1)."""
    pem = key_of(kid, "RS256").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signing_input = signed(issuer, "k", alg="HS256", kid=kid).rpartition(".")[0]
    return f"{signing_input}.{base64url_encode(hmac.digest(pem, signing_input.encode(), sha256))}"


@pytest.mark.parametrize(
    "changed",
    [
        {"alg": "none"},
        {"alg": "ES384"},
        {"alg": None},
        {"alg": ["ES256"]},
        {"kid": ""},
        {"kid": 1},
        {"kid": ["k"]},
        {"kid": None},
        {"kid": "k" * 257},
        {"crit": ["b64"], "b64": False},
        {"typ": "JWT"},
        {"typ": None},
        {"kid": "mine", "jku": "{there}/jwks"},
        {"kid": "mine", "x5u": "{there}/chain"},
        {"kid": "mine", "jwk": jwk_of("mine", "ES256")},
    ],
    ids=str,
)
async def test_a_header_chooses_neither_key_nor_algorithm_nor_where_to_look(
    issuer: IssuerServer, changed: dict[str, Any]
) -> None:
    with IssuerServer(keys=[jwk_of("mine", "ES256")]) as there:
        named = {name: _at(there, value) for name, value in changed.items()}
        async with external_api(JWTVerifier(issuer=issuer.url)) as api:
            assert told(await api.call(signed(issuer, "k"))) == (200, "")
            assert (
                told(await api.call(signed(issuer, "mine" if changed.get("kid") == "mine" else "k", **named)))
                == REFUSED
            )
            assert not there.paths
            assert issuer.looks <= 2


def _at(there: IssuerServer, value: Any) -> Any:
    return value.format(there=there.url) if isinstance(value, str) else value


async def test_a_published_key_is_nobodys_secret(issuer: IssuerServer) -> None:
    issuer.keys.append(jwk_of("rsa", "RS256"))
    async with external_api(JWTVerifier(issuer=issuer.url)) as api:
        assert told(await api.call(signed_with_the_public_key(issuer))) == REFUSED
        assert issuer.looks == 1


@pytest.mark.parametrize(
    "spoilt",
    [
        "{0}.{1}.",
        "{0}.{1}",
        ".{1}.{2}",
        "{0}..{2}",
        "{0}.{1}.{2}.{2}.{2}",
        "{0}.{1}.{2}=",
        "{0}.{2}.{1}",
        "%00.{1}.{2}",
    ],
)
async def test_what_is_no_signed_token_is_refused(issuer: IssuerServer, spoilt: str) -> None:
    async with external_api(JWTVerifier(issuer=issuer.url)) as api:
        assert told(await api.call(spoilt.format(*issuer.token().split(".")))) == REFUSED


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"aud": "https://other.example"}, "for another resource"),
        ({"aud": f"{URL}/"}, "for another resource"),
        ({"aud": None}, "the claim aud is missing"),
        ({"aud": []}, "for another resource"),
        ({"aud": [URL, 5]}, "aud"),
        ({"aud": {"x": URL}}, "aud"),
        ({"sub": None}, "the claim sub is missing"),
        ({"sub": 7}, "the claim sub is not a text"),
        ({"exp": None}, "exp"),
        ({"exp": str(NOW + 300)}, "exp"),
        ({"exp": NOW}, "expired"),
        ({"nbf": NOW + 1}, "not good yet"),
        ({"acr": 2}, "acr"),
        ({"auth_time": str(NOW)}, "auth_time"),
        ({"auth_time": NOW * 1000.0**5}, "auth_time"),
        ({"scope": ["payments"]}, "scope"),
        ({"cnf": {"x5t#S256": "x"}}, "cnf"),
        ({"cnf": "x"}, "cnf"),
    ],
    ids=str,
)
async def test_a_claim_that_is_wrong_is_named(issuer: IssuerServer, claims: dict[str, Any], says: str) -> None:
    async with external_api(JWTVerifier(issuer=issuer.url)) as api:
        reply = await api.call(issuer.token(**claims))
        assert told(reply) == REFUSED
        assert says in reply.headers["www-authenticate"]


async def test_one_of_several_audiences_is_enough(issuer: IssuerServer) -> None:
    verifier = JWTVerifier(issuer=issuer.url, audience=["api://one", "api://two"])
    async with external_api(verifier) as api:
        for aud in (["https://other.example", "api://two"], "api://one"):
            assert told(await api.call(issuer.token(aud=aud))) == (200, "")
        assert told(await api.call(issuer.token(aud=URL))) == REFUSED  # what was named is named alone


@pytest.mark.parametrize("acr", [None, [], ["pwd", "mfa"], "pwd mfa"], ids=str)
async def test_an_acr_is_one_name_or_a_list_and_never_a_text_to_be_split(issuer: IssuerServer, acr: Any) -> None:
    async with external_api(JWTVerifier(issuer=issuer.url)) as api:
        reply = told(await api.call(issuer.token(acr=acr), "/mfa"))
        assert reply == ((200, "") if acr == ["pwd", "mfa"] else (401, "insufficient_user_authentication"))


@pytest.mark.parametrize(
    "keys",
    [
        [],
        ["k"],
        [{"kty": "EC"}],
        [jwk_of("k", "ES256", kid=7)],
        [jwk_of("k", "ES256", use="enc")],
        [jwk_of("k", "ES256", alg="RS256")],
        [{**jwk_of("k", "ES256"), "x": "AA"}],
        "k",
        None,
    ],
    ids=str,
)
async def test_a_set_without_a_key_for_us_is_said_at_the_start(issuer: IssuerServer, keys: Any) -> None:
    issuer.keys = keys
    with pytest.raises((ConfigurationError, IssuerUnavailable), match=r"holds no key for|no JWK Set"):
        async with external_api(JWTVerifier(issuer=issuer.url)):
            pass


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({"issuer": 1}, "which is not the same"),
        ({"issuer": None}, "which is not the same"),
        ({"jwks_uri": None}, "pass jwks_uri="),
        ({"jwks_uri": 5}, "pass jwks_uri="),
        ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri"),
        ({"acr_values_supported": ["pwd"]}, "can never be reached"),
    ],
    ids=str,
)
async def test_metadata_that_cannot_be_used_are_said_at_the_start(
    issuer: IssuerServer, metadata: dict[str, Any], says: str
) -> None:
    issuer.metadata = metadata
    with pytest.raises(ConfigurationError, match=says):
        async with external_api(JWTVerifier(issuer=issuer.url)):
            pass


@pytest.mark.parametrize("offered", ["mfa", {"mfa": True}, 7], ids=str)
async def test_what_is_offered_counts_only_as_a_list(issuer: IssuerServer, offered: Any) -> None:
    issuer.metadata = {"acr_values_supported": offered}
    async with external_api(JWTVerifier(issuer=issuer.url)) as api:
        assert await _serves(api, issuer)


async def test_a_set_that_became_no_set_changes_nothing(issuer: IssuerServer) -> None:
    async with external_api(JWTVerifier(issuer=issuer.url)) as api:
        for wrong in (None, "k", {"k": 1}):
            issuer.keys = wrong  # type: ignore[assignment]
            (external,) = api.server._deployment.external
            external._key_set._began.clear()  # type: ignore[attr-defined]
            assert told(await api.call(issuer.token("new", "EdDSA")))[0] == 503
            assert await _serves(api, issuer)


async def _serves(api: ExternalApi, issuer: IssuerServer) -> bool:
    return told(await api.call(issuer.token(), "/recent")) == (200, "")
