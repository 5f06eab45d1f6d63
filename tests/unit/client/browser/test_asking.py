"""One acr, in one form."""

import json

import pytest

from upstile.client.authority.browser._asking import acrs_to_try, freshness, strength
from upstile.protocol import Requirement, ServerMetadata

KEYCLOAK = ServerMetadata(
    issuer="https://kc.example/realms/r", claims_parameter_supported=True, acr_values_supported=("pwd", "mfa", "0", "1")
)
OKTA = ServerMetadata(issuer="https://x.okta.com/oauth2/default", acr_values_supported=("urn:okta:loa:2fa:any",))
SILENT = ServerMetadata(issuer="https://silent.example", claims_parameter_supported=True)
ENTRA = ServerMetadata(issuer="https://login.microsoftonline.com/t1/v2.0", claims_parameter_supported=True)


@pytest.mark.parametrize(
    ("asked", "supported", "tried"),
    [
        (("phr", "mfa"), ("pwd", "mfa", "phr"), ("phr", "mfa")),
        (("phr", "mfa"), ("pwd", "mfa"), ("mfa",)),
        (("phr", "mfa"), ("pwd",), ("phr", "mfa")),
        (("phr", "mfa"), None, ("phr", "mfa")),
        ((), ("pwd",), (None,)),
    ],
)
def test_the_first_that_the_provider_offers_comes_first(
    asked: tuple[str, ...], supported: tuple[str, ...] | None, tried: tuple[str | None, ...]
) -> None:
    assert acrs_to_try(asked, supported) == tried


def test_what_the_provider_offers_is_an_essential_claim_alone() -> None:
    asked = strength("mfa", KEYCLOAK)
    assert list(asked) == ["claims"]
    assert json.loads(asked["claims"]) == {"id_token": {"acr": {"essential": True, "values": ["mfa"]}}}


@pytest.mark.parametrize(("server", "acr"), [(OKTA, "urn:okta:loa:2fa:any"), (SILENT, "mfa"), (KEYCLOAK, "phr")])
def test_anything_else_is_acr_values_alone(server: ServerMetadata, acr: str) -> None:
    assert strength(acr, server) == {"acr_values": acr}


def test_entra_has_a_form_of_its_own() -> None:
    asked = json.loads(strength("c1", ENTRA)["claims"])["access_token"]
    assert asked == {"acrs": {"essential": True, "value": "c1"}, "xms_cc": {"values": ["cp1"]}}
    assert json.loads(strength(None, ENTRA)["claims"]) == {"access_token": {"xms_cc": {"values": ["cp1"]}}}


def test_an_authentication_for_this_very_call_is_one_that_is_asked_again() -> None:
    assert freshness(Requirement(max_age=0)) == {"max_age": "0", "prompt": "login"}
    assert freshness(Requirement(max_age=300)) == {"max_age": "300"}
    assert freshness(Requirement(acr="mfa")) == {}
