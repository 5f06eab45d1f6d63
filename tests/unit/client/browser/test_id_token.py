"""The checks of an ID token (OpenID Connect Core §3.1.3.7)."""

import json
from typing import Any

import jwt
import pytest

from upstile.client import CeremonyFailed
from upstile.client.authority.browser._id_token import IdToken, id_token_in
from upstile.protocol import base64url_encode

NOW = 1_800_000_000.0
ISSUER = "https://issuer.example"
ENTRA = "https://login.microsoftonline.com/t1/v2.0"
GOOD: dict[str, Any] = {
    "iss": ISSUER,
    "aud": "cli",
    "exp": NOW + 300,
    "iat": NOW,
    "nonce": "n",
    "sub": "ada",
    "acr": "mfa",
    "auth_time": NOW - 5,
}


def token(claims: dict[str, Any], alg: Any = "HS256") -> str:
    """A token of anybody's: nobody checks its signature."""
    made = jwt.encode({name: value for name, value in claims.items() if value is not None}, "k" * 32)
    head = base64url_encode(json.dumps({"alg": alg}).encode())
    return ".".join([head, *made.split(".")[1:]])


def read(text: str | None, issuer: str = ISSUER, moments: list[float] | None = None) -> IdToken:
    return id_token_in(text, issuer=issuer, client_id="cli", nonce="n", moments=moments or [NOW])


def test_a_good_one_says_who_how_and_when() -> None:
    found = read(token({**GOOD, "preferred_username": "ada@example.com"}, "ES256"))
    assert found == IdToken(identity="ada", name="ada@example.com", acr="mfa", auth_time=NOW - 5)


@pytest.mark.requirement("oidc-3.1.3.7-id-token")
@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"iss": ISSUER + "/"}, "iss"),
        ({"iss": None}, "iss"),
        ({"aud": "other"}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": ["other", "another"]}, "aud"),
        ({"aud": ["cli", "other"]}, "azp"),
        ({"azp": "other"}, "azp"),
        ({"aud": ["cli", "other"], "azp": "other"}, "azp"),
        ({"exp": NOW - 61}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": "soon"}, "exp"),
        ({"exp": True}, "exp"),
        ({"iat": None}, "iat"),
        ({"iat": NOW + 61}, "iat"),
        ({"iat": NOW - 601}, "iat"),
        ({"nonce": "m"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": 1}, "nonce"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": "a" * 256}, "sub"),
        ({"sub": "a\nb"}, "sub"),
        ({"acr": 2}, "acr"),
        ({"auth_time": "1800000000"}, "auth_time"),
    ],
)
def test_what_is_wrong_with_one_is_said(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(CeremonyFailed, match="not for this app") as failed:
        read(token({**GOOD, **changed}, "ES256"))
    assert why in failed.value.hint


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "HS256", "", None, 5])
def test_one_that_is_not_signed_is_refused_though_the_signature_is_not_checked(alg: Any) -> None:
    with pytest.raises(CeremonyFailed) as failed:
        read(token(GOOD, alg))
    assert "alg" in failed.value.hint


@pytest.mark.parametrize("text", [None, "", "a.b", "a.b.c.d", "e30.e30.e30", "!.!.!"])
def test_what_is_no_id_token_is_refused(text: str | None) -> None:
    with pytest.raises(CeremonyFailed):
        read(text)


def test_several_audiences_are_good_where_azp_is_this_app() -> None:
    assert read(token({**GOOD, "aud": ["cli", "other"], "azp": "cli"}, "RS256")).identity == "ada"


def test_a_clock_that_is_off_is_forgiven_where_the_servers_is_near() -> None:
    assert read(token(GOOD, "ES256"), moments=[NOW + 800, NOW]).identity == "ada"
    with pytest.raises(CeremonyFailed):
        read(token(GOOD, "ES256"), moments=[NOW + 800])


def test_of_entra_the_person_is_tid_and_oid_for_sub_differs_from_app_to_app() -> None:
    claims = {**GOOD, "iss": ENTRA, "tid": "t1", "oid": "o1"}
    assert read(token(claims, "RS256"), ENTRA).identity == "o1.t1"
    with pytest.raises(CeremonyFailed):
        read(token({**claims, "oid": None}, "RS256"), ENTRA)


def test_no_repr_shows_who_it_is() -> None:
    assert "ada" not in repr(read(token(GOOD, "ES256")))
