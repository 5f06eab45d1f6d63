"""Tokens that a Keycloak signed, through an API that takes them: `tests/vectors/issuers/keycloak.json`."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.external_api import external_api, told
from support.issuer_server import IssuerServer
from upstile.server.issuers import JWTVerifier, keycloak

pytestmark = pytest.mark.anyio
RECORDED: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors/issuers/keycloak.json").read_text())
API = "https://api.example.test"


def recorded(name: str, kind: str = "access_token") -> str:
    text: str = RECORDED["tokens"][name]["token_response"][kind]
    return text


def verifier(keys_at: IssuerServer, /, **options: Any) -> JWTVerifier:
    keys_at.keys = RECORDED["jwks"]["keys"]
    options = {"issuer": RECORDED["issuer"], "profile": keycloak(), "jwks_uri": f"{keys_at.url}/jwks", **options}
    return JWTVerifier(**options)


def recording(name: str) -> Any:
    return lambda: RECORDED["tokens"][name]["recorded_at"] + 1


@pytest.mark.parametrize("name", ["mfa", "mfa_at_jwt_header"])
async def test_an_access_token_of_keycloak_is_read(issuer: IssuerServer, name: str) -> None:
    async with external_api(verifier(issuer), url=API, clock=recording(name)) as api:
        reply = await api.call(recorded(name), "/recent")
        app = {"mfa": "upstile-cli", "mfa_at_jwt_header": "cli-rfc9068"}[name]
        sub = "9390b4de-c573-463c-a715-0fcde6d2a336"
        assert reply.json() == {"sub": sub, "app": app, "iss": RECORDED["issuer"], "acr": ["mfa"]}


async def test_a_weak_one_is_challenged(issuer: IssuerServer) -> None:
    async with external_api(verifier(issuer), url=API, clock=recording("pwd")) as api:
        assert told(await api.call(recorded("pwd"), "/any")) == (200, "")
        assert told(await api.call(recorded("pwd"), "/mfa")) == (401, "insufficient_user_authentication")


@pytest.mark.parametrize("name", ["mfa", "mfa_at_jwt_header", "mfa_dpop"])
async def test_the_id_token_of_the_same_answer_is_refused(issuer: IssuerServer, name: str) -> None:
    app = RECORDED["tokens"][name]["client"]
    both = verifier(issuer, audience=[API, app])  # the worst: the app is taken for an audience
    async with external_api(both, url=API, clock=recording(name)) as api:
        reply = await api.call(recorded(name, "id_token"))
        assert told(reply) == (401, "invalid_token")
        assert "not an access token" in reply.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mfa_no_audience", "the claim aud is missing: give the client an audience mapper"),
        ("mfa_without_basic_and_acr_scopes", "the claim sub is missing: give the client the scope basic"),
        ("mfa_lightweight", "for another resource"),
    ],
)
async def test_what_a_client_of_keycloak_lacks_is_said(issuer: IssuerServer, name: str, says: str) -> None:
    async with external_api(verifier(issuer), url=API, clock=recording(name)) as api:
        reply = await api.call(recorded(name))
        assert told(reply) == (401, "invalid_token")
        assert says in reply.headers["www-authenticate"]


async def test_a_token_bound_to_a_key_needs_its_proof(issuer: IssuerServer) -> None:
    bound, clock = RECORDED["tokens"]["mfa_dpop"], recording("mfa_dpop")
    proof, token = bound["proof_for_GET_https://api.example.test/transfers"], recorded("mfa_dpop")
    guards = {"/transfers": {"acr": "mfa"}}
    async with external_api(verifier(issuer), url=API, clock=clock, guards=guards) as api:
        assert told(await api.call(token, "/transfers")) == (401, "invalid_token")
        assert told(await api.call(token, "/transfers", "DPoP")) == (401, "invalid_dpop_proof")
        first = await api.call(token, "/transfers", "DPoP", DPoP=proof)
        assert (first.status_code, first.json()["app"]) == (200, "cli-dpop")
        assert told(await api.call(token, "/transfers", "DPoP", DPoP=proof)) == (401, "invalid_dpop_proof")
        assert told(await api.call(recorded("mfa"), "/transfers", "DPoP", DPoP=proof)) == (401, "invalid_token")


@pytest.mark.parametrize("named", [f"{RECORDED['issuer']}/", RECORDED["issuer"].replace("stepup", "other")])
async def test_another_realm_and_another_spelling_of_the_issuer_are_refused(issuer: IssuerServer, named: str) -> None:
    async with external_api(verifier(issuer, issuer=named), url=API, clock=recording("mfa")) as api:
        reply = await api.call(recorded("mfa"))
        assert told(reply) == (401, "invalid_token")
        assert "another issuer" in reply.headers["www-authenticate"]


async def test_names_of_a_realm_are_translated(issuer: IssuerServer) -> None:
    mapped = verifier(issuer, satisfies={"mfa": {"urn:bank:strong"}}, asks={"urn:bank:strong": "mfa"})
    guards = {"/strong": {"acr": "urn:bank:strong"}}
    async with external_api(mapped, url=API, clock=recording("mfa"), guards=guards) as api:
        assert (await api.call(recorded("mfa"), "/strong")).json()["acr"] == ["mfa", "urn:bank:strong"]
        refused = await api.call(recorded("pwd"), "/strong")
        assert 'acr_values="mfa"' in refused.headers["www-authenticate"]
        assert refused.json()["acr_values"] == ["mfa"]
