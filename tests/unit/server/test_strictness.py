"""Where a lenient reading would still work for honest people: keys, claims, origins, states are read strictly."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from upstile.protocol import base64url_decode, base64url_encode
from upstile.server import App, ConfigurationError
from upstile.server.authorization.methods import Confirmed
from upstile.server.authorization.user._account import activated
from upstile.server.fastapi import StepUp
from upstile.server.resource._issuer import Issuer
from upstile.server.resource.tokens._jwt import SignedTokens
from upstile.server.resource.tokens._keys import VerificationKeys
from upstile.server.resource.tokens._verifier import InvalidToken
from upstile.server.storage import Account, AuthenticatorRecord, User

NOW = 1_800_000_000
URL = "https://api.example.com"

KEY = ec.generate_private_key(ec.SECP256R1())
JWK: dict[str, Any] = {**jwt.get_algorithm_by_name("ES256").to_jwk(KEY.public_key(), as_dict=True), "kid": "k"}


def _token(**claims: Any) -> str:
    standard = {"iss": URL, "aud": URL, "sub": "ada", "client_id": "cli", "iat": NOW, "exp": NOW + 300, "jti": "j"}
    return jwt.encode({**standard, **claims}, KEY, "ES256", headers={"typ": "at+jwt", "kid": "k"})


def _verifier() -> SignedTokens:
    keys = VerificationKeys([JWK])
    issuer = Issuer(identifier=URL, marks_single_use=True)
    return SignedTokens(issuer=issuer, audience=frozenset({URL}), keys=lambda: keys)


@pytest.mark.parametrize(("bits", "accepted"), [(1024, False), (2040, False), (2048, True)])
def test_an_rsa_key_has_at_least_2048_bits(bits: int, accepted: bool) -> None:
    key = rsa.generate_private_key(65537, key_size=bits).public_key()
    jwk = {**jwt.get_algorithm_by_name("RS256").to_jwk(key, as_dict=True), "kid": "rsa"}
    assert (VerificationKeys([JWK, jwk]).find("rsa", "RS256") is not None) is accepted
    if not accepted:
        with pytest.raises(ConfigurationError, match="2048"):
            VerificationKeys([jwk])


@pytest.mark.parametrize("value", [True, 1, 0, "false", "", None, [], {}])
def test_a_single_use_of_any_kind_but_false_makes_a_token_for_one_call(value: Any) -> None:
    assert _verifier().verify(_token(single_use=value), NOW).single_use


def test_a_single_use_that_is_false_or_missing_makes_none() -> None:
    for token in (_token(single_use=False), _token()):
        assert not _verifier().verify(token, NOW).single_use


def test_a_tokens_signature_is_two_numbers_of_32_bytes_however_they_could_be_read() -> None:
    head, _, signature = _token().rpartition(".")
    whole = base64url_decode(signature)
    for other in (whole[:32] + b"\x00" + whole[32:], whole[:-1], whole[:32]):
        with pytest.raises(InvalidToken, match="signature"):
            _verifier().verify(f"{head}.{base64url_encode(other)}", NOW)


@pytest.mark.parametrize(
    ("origin", "accepted"),
    [
        ("https://example.com", True),
        ("https://app.example.com", True),
        ("https://evilexample.com", False),
        ("https://example.com.evil.net", False),
        ("https://com", False),
    ],
)
def test_a_webauthn_origin_is_the_relying_party_or_a_name_below_it(tmp_path: Path, origin: str, accepted: bool) -> None:
    options: dict[str, Any] = {
        "url": URL,
        "storage": f"sqlite:///{tmp_path / 'x.db'}",
        "clients": [App("cli")],
        "secret_keys": [Fernet.generate_key()],
        "rp_id": "example.com",
        "webauthn_origins": [origin],
    }
    if accepted:
        StepUp.embedded(**options)
        return
    with pytest.raises(ConfigurationError, match="does not belong to rp_id"):
        StepUp.embedded(**options)


@pytest.mark.parametrize("state", ["active", "disabled"])
def test_only_a_pending_authenticator_is_activated(state: Any) -> None:
    record = AuthenticatorRecord(
        id="a", method="totp", name="phone", state=state, created=NOW, data={"seed": "its own"}
    )
    account = Account(user=User(URL, "ada"), authenticators=(record,))
    assert activated(account, "a", Confirmed(data={"seed": "another"}, counter=1), NOW, lambda *_: True) == (
        account,
        None,
    )


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)
