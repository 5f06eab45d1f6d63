"""An API without an authorization server of its own."""

import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI

from support.external_api import external_api, told
from support.issuer_server import NOW, URL, IssuerServer
from support.resource import BOUND, CLIENT
from upstile.protocol import create_proof
from upstile.server import ConfigurationError, IssuerUnavailable
from upstile.server.fastapi import StepUp
from upstile.server.inspection._deployment import inspect
from upstile.server.issuers import JWTVerifier

pytestmark = pytest.mark.anyio
ONCE = {"/once": {"max_age": 0}}


def verifier(issuer: IssuerServer, **options: Any) -> JWTVerifier:
    return JWTVerifier(issuer=issuer.url, **options)


async def test_who_has_no_token_is_led_to_the_issuer(issuer: IssuerServer) -> None:
    async with external_api(verifier(issuer), name="Bank") as api:
        refused = await api.http.get("/mfa")
        lines = refused.headers.get_list("www-authenticate")
        assert [line.partition(" ")[0] for line in lines] == ["Bearer", "DPoP"]
        where = f"{URL}/.well-known/oauth-protected-resource"
        assert all(f'resource_metadata="{where}"' in line for line in lines)
        document = await api.http.get(where)
        assert document.headers["cache-control"] == "max-age=300"
        assert document.json() == {
            "resource": URL,
            "resource_name": "Bank",
            "authorization_servers": [issuer.url],
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": ["ES256"],
        }
        assert (await api.http.get("/.well-known/oauth-authorization-server")).status_code == 404
        assert (await api.http.post("/stepup/challenge")).status_code == 404
        assert (await api.http.get("/stepup/health/ready")).json() == {"status": "ready"}


async def test_an_old_or_weak_login_is_challenged_and_a_good_one_goes_through(issuer: IssuerServer) -> None:
    async with external_api(verifier(issuer)) as api:
        weak: list[dict[str, Any]] = [{"acr": "pwd"}, {"acr": None}, {"auth_time": NOW - 301}, {"auth_time": None}]
        for claims in weak:
            refused = await api.call(issuer.token(**claims), "/recent")
            assert told(refused) == (401, "insufficient_user_authentication")
            assert 'acr_values="mfa", max_age=300' in refused.headers["www-authenticate"]
        assert told(await api.call(issuer.token(), "/recent")) == (200, "")


async def test_a_bound_token_needs_a_proof_that_serves_once_for_each_method(issuer: IssuerServer) -> None:
    async with external_api(verifier(issuer)) as api:
        token = issuer.token(**BOUND)
        assert told(await api.call(token)) == (401, "invalid_token")
        for method in ("GET", "POST"):
            proof = create_proof(CLIENT, htm=method, htu=f"{URL}/mfa", now=NOW, jti=method, access_token=token)
            headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
            assert told(await api.http.request(method, "/mfa", headers=headers)) == (200, "")
            assert told(await api.http.request(method, "/mfa", headers=headers)) == (401, "invalid_dpop_proof")


async def test_bearer_tokens_alone_are_taken_where_dpop_is_off(issuer: IssuerServer) -> None:
    async with external_api(verifier(issuer), dpop="off") as api:
        assert len((await api.http.get("/any")).headers.get_list("www-authenticate")) == 1
        assert told(await api.call(issuer.token())) == (200, "")
        assert told(await api.call(issuer.token(**BOUND))) == (401, "invalid_token")


async def test_one_login_serves_one_call_whatever_is_refreshed(issuer: IssuerServer, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'api.db'}"
    async with external_api(verifier(issuer), storage=storage, guards=ONCE) as api:
        assert told(await api.call(issuer.token(sid="s"), "/once")) == (200, "")
        for refreshed in (issuer.token(sid="s"), issuer.token(sid="s", jti="another", exp=NOW + 900)):
            refused = await api.call(refreshed, "/once")
            assert told(refused) == (401, "insufficient_user_authentication")
            assert refused.json()["type"] == "urn:upstile:problem:token-used"
        assert told(await api.call(issuer.token(sid="s", jti="b", auth_time=NOW + 1), "/once")) == (200, "")
        assert told(await api.call(issuer.token(jti="c", auth_time=NOW - 61), "/once"))[0] == 401
    async with external_api(verifier(issuer), storage=storage, guards=ONCE) as restarted:
        assert told(await restarted.call(issuer.token(sid="s", jti="d"), "/once"))[0] == 401


async def test_what_serves_one_call_needs_a_store_and_that_is_said_at_the_start(issuer: IssuerServer) -> None:
    for asked in ({"max_age": 0}, {"once_in_handler": True}):
        with pytest.raises(ConfigurationError, match="max_age=0 needs storage="):
            async with external_api(verifier(issuer), guards={"/once": asked}):
                pass
    for options in ({"one_time": "redis://localhost"}, {"replay": "shared"}):
        with pytest.raises(ConfigurationError, match=r"needs? storage="):
            StepUp(url=URL, verifier=verifier(issuer), allow_insecure_loopback=True, **options)  # type: ignore[arg-type]


async def test_check_says_what_the_issuer_does_not_offer_before_the_start_does(issuer: IssuerServer) -> None:
    async def judged() -> list[tuple[str, str]]:
        server = StepUp(url=URL, verifier=verifier(issuer), clock=lambda: NOW, allow_insecure_loopback=True)
        server.require(acr="mfa")
        found = [finding async for finding in inspect(server._deployment)]
        return [(each.level, each.says) for each in found if each.about == "guard"]

    assert await judged() == []  # nothing is known of what it offers
    issuer.metadata = {"acr_values_supported": ["pwd", "mfa"]}
    assert await judged() == []
    issuer.metadata = {"acr_values_supported": ["pwd", "urn:strong"]}
    [(level, says)] = await judged()
    assert level == "wrong"
    assert says == "acr=('mfa',) can never be reached: this server offers pwd, urn:strong"


async def test_what_the_issuer_does_not_offer_is_an_error_at_the_start(issuer: IssuerServer) -> None:
    issuer.metadata = {"acr_values_supported": ["pwd", "urn:strong"]}
    with pytest.raises(ConfigurationError, match=r"acr=\('mfa',\) can never be reached: this server offers pwd, "):
        async with external_api(verifier(issuer)):
            pass
    mapped = {"satisfies": {"urn:strong": {"mfa"}}, "asks": {"mfa": "urn:strong"}}
    async with external_api(verifier(issuer, **mapped)) as api:
        assert told(await api.call(issuer.token(acr="urn:strong"), "/mfa")) == (200, "")
    wrong = {"satisfies": {"urn:other": {"mfa"}}, "asks": {"mfa": "urn:other"}}
    with pytest.raises(ConfigurationError, match=r"asks=\{'mfa': 'urn:other'\}"):
        async with external_api(verifier(issuer, **wrong)):
            pass
    async with external_api(verifier(issuer, acr_values_supported=["mfa"])) as api:
        assert told(await api.call(issuer.token(), "/mfa")) == (200, "")


@pytest.mark.parametrize(
    "options",
    [{"asks": {"mfa": "strong"}}, {"satisfies": {"strong": "mfa"}}, {"acr_values_supported": "mfa"}],
    ids=str,
)
def test_maps_that_lead_nowhere_are_refused(issuer: IssuerServer, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        verifier(issuer, **options)


async def test_the_verbs_of_a_server_of_its_own_say_that_there_is_none(issuer: IssuerServer) -> None:
    async with external_api(verifier(issuer)) as api:
        for verb in (api.server.unlock("ada"), api.server.start_session("ada", amr=["pwd"])):
            with pytest.raises(ConfigurationError, match="has no authorization server of its own"):
                await verb


async def test_refusals_are_in_the_log_and_with_storage_in_the_table(
    issuer: IssuerServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "upstile.server.audit")
    for options in ({}, {"storage": f"sqlite:///{tmp_path / 'api.db'}"}):
        caplog.clear()
        async with external_api(verifier(issuer), **options) as api:  # type: ignore[arg-type]
            await api.call(issuer.token(acr="pwd"), "/mfa")
        assert "insufficient_user_authentication" in caplog.text
        assert issuer.token(acr="pwd") not in caplog.text


async def test_an_application_that_no_lifespan_starts_answers_503_while_the_issuer_is_away(
    issuer: IssuerServer,
) -> None:
    token = issuer.token()
    issuer.stop()
    app, server = FastAPI(), StepUp(url=URL, verifier=verifier(issuer), clock=lambda: NOW, allow_insecure_loopback=True)
    server.install(app)

    @app.get("/any", dependencies=[Depends(server.require())])
    async def any_call() -> None:
        """Nothing."""

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http:
        reply = await http.get("/any", headers={"Authorization": f"Bearer {token}"})
        assert (reply.status_code, json.loads(reply.content)["status"]) == (503, 503)
    with pytest.raises(IssuerUnavailable):
        await server._deployment.prepare()
