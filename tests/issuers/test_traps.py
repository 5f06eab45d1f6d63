"""What issuers do that one does not expect, each trap with what the API makes of it; the app's side is in `interop`."""

import json
from pathlib import Path
from typing import Any

import jwt
import pytest

from support.external_api import ExternalApi, external_api, told
from support.issuer_server import NOW, IssuerServer, jwk_of, key_of
from upstile.server import ConfigurationError
from upstile.server.issuers import JWTVerifier, keycloak

pytestmark = pytest.mark.anyio
VECTORS = Path(__file__).parents[1] / "vectors/issuers"
FLOWS: dict[str, Any] = json.loads((VECTORS / "keycloak_flows.json").read_text())["flows"]
OIDC_PROVIDER: dict[str, Any] = json.loads((VECTORS / "oidc_provider.json").read_text())
API = "https://api.example.test"
WEAK = (401, "insufficient_user_authentication")


def recorded(flow: str, **changed: Any) -> str:
    """The access token of a flow, signed by a key of ours: what was recorded are its claims."""
    found = FLOWS[flow]
    headers = {"typ": found["header"]["typ"], "kid": "k"}
    return jwt.encode({**found["claims"], **changed}, key_of("k", "RS256"), "RS256", headers=headers)


def at(flow: str) -> Any:
    return lambda: FLOWS[flow]["claims"]["iat"] + 1


def of_keycloak(keys_at: IssuerServer, realm: str = "stepup", **options: Any) -> JWTVerifier:
    keys_at.keys = [jwk_of("k", "RS256")]
    issuer = f"http://127.0.0.1:18391/realms/{realm}"
    return JWTVerifier(issuer=issuer, profile=keycloak(), jwks_uri=f"{keys_at.url}/jwks", **options)


async def asked(api: ExternalApi, token: str, path: str = "/mfa") -> tuple[int, str]:
    return told(await api.call(token, path))


async def test_trap_several_acr_values(issuer: IssuerServer) -> None:
    """Keycloak reads `acr_values=mfa pwd` as the lowest of them: its answer is weak, and challenged."""
    flow = "several acr_values: mfa pwd"
    assert FLOWS[flow]["asked"] == {"acr_values": "mfa pwd"}
    guards = {"/either": {"acr": ["phr", "mfa"]}}
    async with external_api(of_keycloak(issuer), url=API, clock=at(flow), guards=guards) as api:
        assert await asked(api, recorded(flow)) == WEAK
        challenge = (await api.call(recorded(flow), "/either")).headers["www-authenticate"]
        assert 'acr_values="phr mfa"' in challenge  # the whole list (RFC 9470 §3); the app asks one at a time


@pytest.mark.parametrize("flow", ["no levels: acr_values=mfa", "no levels: essential 2", "no levels: single sign-on"])
async def test_trap_unknown_acr(issuer: IssuerServer, flow: str) -> None:
    """A realm without levels asks for the password again, and answers "1": no number stands for a name."""
    async with external_api(of_keycloak(issuer, "plain"), url=API, clock=at(flow)) as api:
        assert await asked(api, recorded(flow, aud=API)) == WEAK
        assert await asked(api, recorded(flow, aud=API), "/any") == (200, "")
    with pytest.raises(ConfigurationError, match=r"acr=\('mfa',\) can never be reached: this server offers 0, 1"):
        async with external_api(of_keycloak(issuer, "plain", acr_values_supported=["0", "1"]), url=API):
            pass


async def test_trap_weaker_reauthentication_with_a_fresh_auth_time(issuer: IssuerServer) -> None:
    """Keycloak's `auth_time` is that of the last sign-in of any level, and nothing else in the token tells.

    Neither `max_age` nor `max_age=0` can: the page on Keycloak says what to set in the realm.
    """
    first, password, second = list(FLOWS)[1:4]
    assert [FLOWS[flow]["claims"]["acr"] for flow in (first, password, second)] == ["mfa", "pwd", "mfa"]
    assert FLOWS[second]["claims"]["auth_time"] == FLOWS[password]["claims"]["auth_time"]
    assert FLOWS[second]["claims"].keys() == FLOWS[first]["claims"].keys()
    async with external_api(of_keycloak(issuer), url=API, clock=at(second)) as api:
        assert await asked(api, recorded(password), "/recent") == WEAK  # a password alone is no second factor
        assert await asked(api, recorded(second), "/recent") == (200, "")
    page = (Path(__file__).parents[2] / "docs/issuers/keycloak.md").read_text()
    assert "**Max Age 0 on the level whose freshness you ask for**" in page
    assert "neither `max_age=300` nor `max_age=0`" in page


@pytest.mark.parametrize(
    "flow", ["token exchange of an mfa token", "device grant: acr_values=mfa max_age=0"], ids=["exchange", "device"]
)
async def test_trap_a_grant_that_loses_the_level(issuer: IssuerServer, flow: str) -> None:
    async with external_api(of_keycloak(issuer), url=API, clock=at(flow)) as api:
        assert await asked(api, recorded(flow)) == WEAK


@pytest.mark.parametrize("typ", ["ID", "Refresh", "Offline", "Logout", "DPoP", "", None, 1])
async def test_trap_one_key_signs_all_kinds_of_tokens(issuer: IssuerServer, typ: Any) -> None:
    """Only the payload's `typ` tells them apart; and `DPoP` without the key that it is bound to is none, either."""
    async with external_api(of_keycloak(issuer), url=API, clock=at("a second factor")) as api:
        assert await asked(api, recorded("a second factor"), "/any") == (200, "")
        assert await asked(api, recorded("a second factor", typ=typ), "/any") == (401, "invalid_token")


@pytest.mark.parametrize("aud", ["account", ["account"], ["account", "rs-conf"]], ids=str)
async def test_trap_a_token_for_the_account_console_alone(issuer: IssuerServer, aud: Any) -> None:
    """Without an audience mapper the tokens of users with roles are for `account`."""
    async with external_api(of_keycloak(issuer), url=API, clock=at("a second factor")) as api:
        reply = await api.call(recorded("a second factor", aud=aud))
        assert "for another resource" in reply.headers["www-authenticate"]


async def test_trap_no_scope_in_a_token_of_oidc_provider(issuer: IssuerServer) -> None:
    """It names the API's own scopes alone: without one there is no claim, and no scope."""
    answer = OIDC_PROVIDER["tokens"]["mfa"]
    token, now = answer["token_response"]["access_token"], answer["recorded_at"]
    assert "scope" not in jwt.decode(token, options={"verify_signature": False})
    issuer.keys = OIDC_PROVIDER["jwks"]["keys"]
    verifier = JWTVerifier(issuer=OIDC_PROVIDER["issuer"], jwks_uri=f"{issuer.url}/jwks", audience=f"{API}/")
    guards = {"/openid": {"scope": "openid"}}
    async with external_api(verifier, url=API, clock=lambda: now, guards=guards) as api:
        assert await asked(api, token) == (200, "")
        assert await asked(api, token, "/openid") == (403, "insufficient_scope")


async def test_trap_a_session_that_some_tokens_name(issuer: IssuerServer, tmp_path: Path) -> None:
    """One login with `sid` and without counts as two: `docs/issuers` says so. With it, or without, it is one."""
    options = {"storage": f"sqlite:///{tmp_path / 'api.db'}", "guards": {"/once": {"max_age": 0}}}
    async with external_api(JWTVerifier(issuer=issuer.url), clock=lambda: NOW, **options) as api:  # type: ignore[arg-type]
        for sid in ("s", None):
            assert await asked(api, issuer.token(sid=sid, jti=f"first {sid}"), "/once") == (200, "")
            assert (await asked(api, issuer.token(sid=sid, jti=f"second {sid}"), "/once"))[0] == 401


async def test_trap_two_issuers_and_one_subject(issuer: IssuerServer, tmp_path: Path) -> None:
    """A user is issuer and subject: what one issuer's `ada` has used up is not used up for another's."""
    options = {"storage": f"sqlite:///{tmp_path / 'api.db'}", "guards": {"/once": {"max_age": 0}}}
    with IssuerServer() as other:
        both = [JWTVerifier(issuer=issuer.url), JWTVerifier(issuer=other.url)]
        async with external_api(both, **options) as api:  # type: ignore[arg-type]
            for at_issuer in (issuer, other):
                token = at_issuer.token(sid="s")
                assert await asked(api, token, "/once") == (200, "")
                assert (await asked(api, token, "/once"))[0] == 401
