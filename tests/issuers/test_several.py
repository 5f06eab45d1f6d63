"""Several issuers of one API, the embedded server among them: the `iss` of a token chooses, exactly."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from support.external_api import ExternalApi, external_api, served, told
from support.issuer_server import NOW, IssuerServer, jwk_of
from support.resource import BOUND, CLIENT
from upstile.protocol import create_proof
from upstile.server import App, ConfigurationError
from upstile.server.fastapi import StepUp
from upstile.server.issuers import IntrospectionVerifier, JWTVerifier, TokenProfile

pytestmark = pytest.mark.anyio
OWN = "http://localhost:8000"


def opaque(issuer: IssuerServer) -> IntrospectionVerifier:
    return IntrospectionVerifier(issuer=issuer.url, client_id="api", client_secret="s")


async def test_each_issuer_has_its_own_keys_names_and_profile(issuer: IssuerServer) -> None:
    with IssuerServer(keys=[jwk_of("k", "EdDSA")]) as other:
        german = TokenProfile(acr="stufe")
        both = [
            JWTVerifier(issuer=issuer.url),
            JWTVerifier(issuer=other.url, profile=german, satisfies={"hoch": {"mfa"}}, asks={"mfa": "hoch"}),
        ]
        async with external_api(both) as api:
            first, second = issuer.token(), other.token("k", "EdDSA", stufe="hoch", acr="pwd")
            assert [(await api.call(text, "/mfa")).json()["iss"] for text in (first, second)] == [issuer.url, other.url]
            for weak, asked in [(issuer.token(acr="hoch"), "mfa"), (other.token("k", "EdDSA", acr="mfa"), "hoch")]:
                refused = await api.call(weak, "/mfa")
                assert told(refused) == (401, "insufficient_user_authentication")
                assert f'acr_values="{asked}"' in refused.headers["www-authenticate"]
            metadata = (await api.http.get("/.well-known/oauth-protected-resource")).json()
            assert metadata["authorization_servers"] == [issuer.url, other.url]


@pytest.mark.parametrize("named", ["other", "other with a slash", "nobody", None])
async def test_a_token_is_never_judged_by_the_keys_of_another_issuer_than_it_names(
    issuer: IssuerServer, named: Any
) -> None:
    with IssuerServer(keys=[jwk_of("k", "EdDSA")]) as other:
        by_name = {"other": other.url, "other with a slash": f"{issuer.url}/", "nobody": "https://nobody.example"}
        async with external_api([JWTVerifier(issuer=issuer.url), JWTVerifier(issuer=other.url)]) as api:
            forged = issuer.token(iss=by_name.get(named, named))
            for _ in range(2):
                assert told(await api.call(forged)) == (401, "invalid_token")
            assert told(await api.call(issuer.token())) == (200, "")
            assert told(await api.call("opaque")) == (401, "invalid_token")


async def test_an_issuer_that_is_away_takes_no_other_with_it(issuer: IssuerServer) -> None:
    with IssuerServer() as other:
        both = [JWTVerifier(issuer=issuer.url), JWTVerifier(issuer=other.url)]
        async with external_api(both) as api:
            other.stop()
            assert told(await api.call(other.token("new", "EdDSA"))) == (503, "temporarily-unavailable")
            assert told(await api.call(issuer.token())) == (200, "")


async def test_opaque_tokens_are_those_of_the_one_issuer_that_is_asked(issuer: IssuerServer) -> None:
    with IssuerServer() as other:
        answer = {"active": True, "sub": "ada", "client_id": "cli", "aud": "https://api.example.com"}
        other.introspect = lambda form: {**answer, "token_type": "Bearer", "iss": other.url}
        async with external_api([JWTVerifier(issuer=issuer.url), opaque(other)]) as api:
            assert (await api.call("opaque")).json()["iss"] == other.url
            assert (await api.call(issuer.token())).json()["iss"] == issuer.url
            too_little = other.token(acr=None)
            assert (await api.call(too_little)).json()["iss"] == other.url
            assert [form["token"] for form in other.forms] == ["opaque", too_little]


def test_whose_a_token_is_can_always_be_told(issuer: IssuerServer) -> None:
    with IssuerServer() as other:
        cases: list[tuple[list[Any], str]] = [
            ([opaque(issuer), opaque(other)], "two issuers with IntrospectionVerifier"),
            ([JWTVerifier(issuer=issuer.url), opaque(issuer)], "has two verifiers"),
            ([], "verifier= is missing"),
        ]
        for both, says in cases:
            with pytest.raises(ConfigurationError, match=says):
                StepUp(url=OWN, verifier=both, allow_insecure_loopback=True)


@asynccontextmanager
async def embedded(folder: Path, issuer: IssuerServer, **options: Any) -> AsyncGenerator[ExternalApi]:
    server = StepUp.embedded(
        url=OWN,
        storage=f"sqlite:///{folder / 'own.db'}",
        clients=[App("cli", scopes="payments")],
        verifier=JWTVerifier(issuer=issuer.url, audience=OWN, **options),
        clock=lambda: NOW,
        allow_insecure_loopback=True,
    )
    async with served(server, OWN, {"/once": {"max_age": 0}}) as api:
        yield api


async def test_the_embedded_server_is_one_issuer_among_others(issuer: IssuerServer, tmp_path: Path) -> None:
    async with embedded(tmp_path, issuer) as api:
        own = (await api.server.start_session("bob", amr=["pwd"])).access_token
        assert (await api.call(own)).json()["iss"] == OWN
        for _ in range(3):
            assert (await api.call(issuer.token(aud=OWN), "/mfa")).json()["iss"] == issuer.url
            assert told(await api.call(own, "/mfa")) == (401, "insufficient_user_authentication")
        forged = issuer.token(aud=OWN, iss=OWN)
        assert told(await api.call(forged)) == (401, "invalid_token")
        names = (await api.http.get("/.well-known/oauth-protected-resource")).json()["authorization_servers"]
        assert names == [OWN, issuer.url]


async def test_an_external_token_changes_no_authenticators_and_starts_no_ceremony(
    issuer: IssuerServer, tmp_path: Path
) -> None:
    async with embedded(tmp_path, issuer) as api:
        token = issuer.token(aud=OWN, scope="authenticators payments", acr="mfa")
        assert told(await api.call(token)) == (200, "")
        for method, path in [("GET", "/stepup/authenticators"), ("POST", "/stepup/authenticators")]:
            reply = await api.http.request(method, path, headers={"Authorization": f"Bearer {token}"}, json={})
            assert told(reply) == (401, "invalid_token")


async def test_a_handler_may_not_use_a_claim_of_ours_that_another_issuer_writes(
    issuer: IssuerServer, tmp_path: Path
) -> None:
    async with embedded(tmp_path, issuer) as api:
        token = issuer.token(aud=OWN, single_use=True)
        assert told(await api.call(token, "/once")) == (200, "")
        assert told(await api.call(token, "/once")) == (401, "insufficient_user_authentication")
        assert (await api.call(token, "/once")).json()["type"].endswith("token-used")
        assert told(await api.call(token, "/any")) == (200, "")  # it is no single-use token of ours


async def test_a_proof_serves_once_whichever_guard_sees_it(issuer: IssuerServer, tmp_path: Path) -> None:
    async with embedded(tmp_path, issuer) as api:
        token = issuer.token(aud=OWN, **BOUND)
        proof = create_proof(CLIENT, htm="GET", htu=f"{OWN}/any", now=NOW, jti="p", access_token=token)
        assert told(await api.call(token, "/any", "DPoP", DPoP=proof)) == (200, "")
        assert told(await api.call(token, "/any", "DPoP", DPoP=proof)) == (401, "invalid_dpop_proof")
