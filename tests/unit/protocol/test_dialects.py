"""What other resource servers say instead of RFC 9470's challenge, in the form that they document."""

import json
from base64 import b64encode, urlsafe_b64encode

import pytest

from upstile.protocol import Requirement, find_dialect, readable_challenges

OKTA = (
    'Bearer realm="IdpMyAccountAPI", error="insufficient_authentication_context", error_description="The access token '
    'requires additional assurance to access the resource", max_age=900'
)
ENTRA = (
    'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", '
    'error="insufficient_claims", '
    'claims="eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlIjoiY3AxIn19fQ=="'
)
MCP = (
    'Bearer error="insufficient_scope", scope="files:read files:write user:profile", '
    'resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource", '
    'error_description="Additional file write permission required"'
)


def found(status: int, header: str) -> Requirement | None:
    challenge = find_dialect(status, readable_challenges([header]))
    return None if challenge is None else challenge.requirement


def test_oktas_403_is_a_step_up() -> None:
    assert found(403, OKTA) == Requirement(max_age=900)
    assert found(403, OKTA + ', acr_values="urn:okta:loa:2fa:any"') == Requirement(
        acr="urn:okta:loa:2fa:any", max_age=900
    )


def test_microsofts_claims_challenge_is_an_authentication_context() -> None:
    assert found(401, ENTRA) == Requirement(acr="cp1")


def test_mcps_403_asks_for_scopes_and_says_where_the_metadata_is() -> None:
    challenge = find_dialect(403, readable_challenges([MCP]))
    assert challenge is not None
    assert challenge.requirement == Requirement(scope=["files:read", "files:write", "user:profile"])
    assert challenge.resource_metadata == "https://mcp.example.com/.well-known/oauth-protected-resource"


@pytest.mark.parametrize(("status", "header"), [(401, OKTA), (403, ENTRA), (401, MCP), (200, OKTA), (500, MCP)])
def test_each_is_one_with_its_own_status_alone(status: int, header: str) -> None:
    assert found(status, header) is None


@pytest.mark.parametrize(
    ("status", "header"),
    [
        (403, 'Bearer error="insufficient_authentication_context"'),
        (403, 'Bearer error="insufficient_authentication_context", max_age=soon'),
        (403, 'Basic error="insufficient_authentication_context", max_age=900'),
        (403, 'Bearer error="insufficient_scope"'),
        (403, 'Bearer error="insufficient_scope", scope=""'),
        (403, 'Bearer error="insufficient_scope", scope="a\\\\b"'),
        (401, 'Bearer error="insufficient_claims"'),
        (401, 'Bearer error="insufficient_claims", claims="!"'),
        (401, 'Bearer error="insufficient_claims", claims="e30="'),
        (401, f'Bearer error="insufficient_claims", claims="{"A" * 8000}"'),
        (401, 'Bearer error="insufficient_user_authentication", acr_values="mfa"'),
    ],
)
def test_what_says_nothing_that_could_be_asked_is_no_challenge(status: int, header: str) -> None:
    assert found(status, header) is None


@pytest.mark.parametrize(
    "claims",
    [
        {"access_token": {"nbf": {"essential": True, "value": "1604106651"}}},
        {"access_token": {"acrs": {"essential": True}}},
        {"access_token": {"acrs": "c1"}},
        {"access_token": {"acrs": {"value": 1}}},
        {"access_token": {"acrs": {"value": "c 1"}}},
        {"access_token": []},
        {"id_token": {"acrs": {"value": "c1"}}},
    ],
)
def test_a_claims_challenge_for_anything_else_is_none_that_a_step_up_answers(claims: object) -> None:
    text = b64encode(json.dumps(claims).encode()).decode()
    assert found(401, f'Bearer error="insufficient_claims", claims="{text}"') is None


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
@pytest.mark.parametrize("padded", [True, False])
def test_claims_are_read_in_either_alphabet(encode: object, padded: bool) -> None:
    text = encode(json.dumps({"access_token": {"acrs": {"value": "c1??>>"}}}).encode()).decode()  # type: ignore[operator]
    text = text if padded else text.rstrip("=")
    assert found(401, f'Bearer error="insufficient_claims", claims="{text}"') == Requirement(acr="c1??>>")
