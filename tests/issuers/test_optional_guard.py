"""An optional guard of an API with other issuers: none of their tokens is taken for somebody else's."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import jwt
import pytest
from fastapi import Depends, FastAPI
from httpx import ASGITransport, AsyncClient

from support.external_api import ExternalApi, told
from support.issuer_server import NOW, URL, IssuerServer, jwk_of
from upstile.server import App, Authentication
from upstile.server.fastapi import StepUp
from upstile.server.issuers import IntrospectionVerifier, JWTVerifier

pytestmark = pytest.mark.anyio
OWN_JWT = jwt.encode({"iss": "notes", "sub": "ada"}, "k" * 32, "HS256")
NAMELESS_JWT = jwt.encode({"sub": "ada"}, "k" * 32, "HS256")
OWN = "http://localhost:8000"
ANSWER = {"active": True, "sub": "ada", "client_id": "cli", "aud": URL, "token_type": "Bearer", "exp": NOW + 300}


@asynccontextmanager
async def optional_api(server: StepUp, url: str = URL) -> AsyncGenerator[ExternalApi]:
    api = FastAPI()
    server.install(api)

    @api.get("/any")
    async def handler(auth: Annotated[Authentication | None, Depends(server.optional())]) -> str:
        return "nobody" if auth is None else auth.token.issuer

    async with api.router.lifespan_context(api), AsyncClient(transport=ASGITransport(api), base_url=url) as http:
        yield ExternalApi(http, server)


def outside(*verifier: Any) -> StepUp:
    return StepUp(url=URL, verifier=verifier, clock=lambda: NOW, allow_insecure_loopback=True)


def asked(issuer: IssuerServer) -> IntrospectionVerifier:
    return IntrospectionVerifier(issuer=issuer.url, client_id="api", client_secret="s")


async def test_each_of_several_issuers_is_ours(issuer: IssuerServer) -> None:
    with IssuerServer(keys=[jwk_of("k", "EdDSA")]) as other:
        async with optional_api(outside(JWTVerifier(issuer=issuer.url), JWTVerifier(issuer=other.url))) as api:
            first, second = issuer.token(), other.token("k", "EdDSA")
            assert [(await api.call(text)).json() for text in (first, second)] == [issuer.url, other.url]
            forged = [issuer.token(iss=other.url), issuer.token(exp=NOW), f"{second[:-4]}AAAA", issuer.token(aud="x")]
            for text in forged:
                assert told(await api.call(text)) == (401, "invalid_token")
            for text in (OWN_JWT, NAMELESS_JWT, "opaque", issuer.token(iss=f"{issuer.url}/")):
                assert (await api.call(text)).json() == "nobody"


async def test_the_embedded_server_and_another_issuer_are_both_ours(issuer: IssuerServer, tmp_path: Path) -> None:
    server = StepUp.embedded(
        url=OWN,
        storage=f"sqlite:///{tmp_path}/s.db",
        clients=[App("cli")],
        verifier=JWTVerifier(issuer=issuer.url, audience=OWN),
        clock=lambda: NOW,
        allow_insecure_loopback=True,
    )
    async with optional_api(server, OWN) as api:
        own = (await server.start_session("bob", amr=["pwd"])).access_token
        for text, whose in [(own, OWN), (issuer.token(aud=OWN), issuer.url), (OWN_JWT, "nobody")]:
            assert (await api.call(text)).json() == whose
        for text in (issuer.token(aud=OWN, iss=OWN), issuer.token(aud=OWN, exp=NOW)):
            assert told(await api.call(text)) == (401, "invalid_token")


async def test_an_issuer_that_is_away_makes_nobody_of_its_users(issuer: IssuerServer) -> None:
    async with optional_api(outside(JWTVerifier(issuer=issuer.url))) as api:
        issuer.stop()
        assert told(await api.call(issuer.token("new", "EdDSA"))) == (503, "temporarily-unavailable")
        assert (await api.call(OWN_JWT)).json() == "nobody"


@pytest.mark.parametrize("alone", [True, False])
async def test_a_text_that_only_its_issuer_can_read_is_asked_about_and_never_nobody_s(
    issuer: IssuerServer, alone: bool
) -> None:
    with IssuerServer() as other:
        verifiers = [asked(other)] if alone else [JWTVerifier(issuer=issuer.url), asked(other)]
        async with optional_api(outside(*verifiers)) as api:
            known: dict[str, Any] = {"good": {**ANSWER, "iss": other.url}}
            other.introspect = lambda form: known.get(form["token"], {"active": False})
            assert (await api.call("good")).json() == other.url
            for text in ("ended", NAMELESS_JWT, "a.b.c.d.e"):
                assert told(await api.call(text)) == (401, "invalid_token")
            assert (await api.http.get("/any")).json() == "nobody"
            before = len(other.forms)
            assert (await api.call(OWN_JWT)).json() == "nobody"
            assert len(other.forms) == before  # an own JWT goes to nobody else
            other.stop()
            assert told(await api.call("another")) == (503, "temporarily-unavailable")
