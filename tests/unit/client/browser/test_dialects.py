"""APIs that challenge in other words than RFC 9470's lead to the browser all the same."""

import json
from base64 import b64encode

import httpx
import pytest

from support.false_issuer import API, FalseIssuer
from upstile.client import StepUpUnsatisfied, UntrustedChallenge

CLAIMS = b64encode(json.dumps({"access_token": {"acrs": {"essential": True, "value": "c1"}}}).encode()).decode()

METADATA = f"{API}/.well-known/oauth-protected-resource"


@pytest.fixture
def issuer() -> FalseIssuer:
    return FalseIssuer()


def asks(issuer: FalseIssuer, status: int, challenge: str, times: int = 1) -> None:
    """Have the API say this so many times."""
    left = [httpx.Response(status, headers={"www-authenticate": challenge}) for _ in range(times)]
    issuer.judge = lambda request: left.pop() if left else None


@pytest.mark.parametrize(
    ("status", "challenge", "asked"),
    [
        (403, 'Bearer error="insufficient_authentication_context", max_age=900', {"max_age": "900"}),
        (
            403,
            'Bearer error="insufficient_authentication_context", acr_values="urn:okta:loa:2fa:any", max_age=900',
            {"acr_values": "urn:okta:loa:2fa:any", "max_age": "900"},
        ),
        (401, f'Bearer realm="", error="insufficient_claims", claims="{CLAIMS}"', {"acr_values": "c1"}),
        (
            403,
            f'Bearer error="insufficient_scope", scope="files:write", resource_metadata="{METADATA}"',
            {"scope": "openid files:write"},
        ),
    ],
)
def test_each_dialect_is_one_call(issuer: FalseIssuer, status: int, challenge: str, asked: dict[str, str]) -> None:
    asks(issuer, status, challenge)
    with issuer.client() as client:
        assert client.post("/pay", json={"amount": "1"}).status_code == 200
    assert {name: issuer.asked[0].get(name) for name in asked} == asked
    assert len(issuer.calls) == 2


def test_a_scope_that_is_never_granted_ends_it_after_one_ceremony(issuer: FalseIssuer) -> None:
    asks(issuer, 403, 'Bearer error="insufficient_scope", scope="files:write"', times=9)
    with issuer.client() as client, pytest.raises(StepUpUnsatisfied):
        client.post("/pay")
    assert len(issuer.asked) == 1


@pytest.mark.parametrize("challenge", ["", 'Bearer error="access_denied"', 'Bearer error="insufficient_scope"'])
def test_any_other_403_is_the_apps_to_read(issuer: FalseIssuer, challenge: str) -> None:
    asks(issuer, 403, challenge)
    with issuer.client() as client:
        response = client.post("/pay", content=iter([b"once"]))
    assert response.status_code == 403
    assert issuer.asked == []


def test_a_challenge_of_another_origin_does_not_count(issuer: FalseIssuer) -> None:
    metadata = "https://evil.example/.well-known/oauth-protected-resource"
    asks(issuer, 403, f'Bearer error="insufficient_scope", scope="a", resource_metadata="{metadata}"')
    with issuer.client() as client, pytest.raises(UntrustedChallenge, match="a place that the app does not know"):
        client.post("/pay")
    assert issuer.asked == []
