"""What a token is bound to (`cnf`): one key, whatever mark the issuer puts beside it; nothing that we cannot check."""

import json
from typing import Any

import pytest

from upstile.server.issuers import TokenProfile, keycloak, rfc9068
from upstile.server.resource._issuer import Issuer
from upstile.server.resource.tokens._claims import ClaimsReader
from upstile.server.resource.tokens._verifier import InvalidToken

NOW = 1_800_000_000
AS_26_7_HAS_IT = {"jkt": "a thumbprint", "kc-jkt-type": "DPoP"}
CLAIMS: dict[str, Any] = {
    "iss": "https://id.example/realms/bank",
    "aud": "https://api.example",
    "sub": "ada",
    "azp": "cli",
    "client_id": "cli",
    "typ": "DPoP",
    "iat": NOW,
    "exp": NOW + 300,
    "jti": "j",
}


def reader(profile: TokenProfile) -> ClaimsReader:
    return ClaimsReader(Issuer(identifier=CLAIMS["iss"]), frozenset({CLAIMS["aud"]}), profile=profile)


def test_keycloak_marks_its_confirmation_and_both_ways_to_read_it_find_the_key() -> None:
    claims = {**CLAIMS, "cnf": AS_26_7_HAS_IT}
    usual = reader(keycloak())._usual(json.dumps(claims).encode(), NOW, b"h.p")
    assert usual is not None
    assert usual.jkt == "a thumbprint"
    assert reader(keycloak()).read_members(claims, NOW, b"h.p") == usual


@pytest.mark.parametrize(
    ("profile", "cnf"),
    [
        (rfc9068(), AS_26_7_HAS_IT),
        (keycloak(), {"jkt": "a thumbprint", "kc-jkt-type": "another"}),
        (keycloak(), {"jkt": "a thumbprint", "kc-jkt-type": None}),
        (keycloak(), {"jkt": "a thumbprint", "x5t#S256": "a certificate"}),
        (keycloak(), {**AS_26_7_HAS_IT, "x5t#S256": None}),
        (keycloak(), {"kc-jkt-type": "DPoP"}),
        (keycloak(), {"jkt": 1}),
        (keycloak(), []),
    ],
)
def test_what_might_ask_for_another_proof_is_refused(profile: TokenProfile, cnf: object) -> None:
    with pytest.raises(InvalidToken, match=r"another confirmation|not an access token"):
        reader(profile).read(json.dumps({**CLAIMS, "cnf": cnf}).encode(), NOW, b"h.p")
