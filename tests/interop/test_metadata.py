"""Both documents of discovery, read by libraries of others: Authlib and the MCP SDK for Python."""

from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from support.installed import module
from upstile.server import App
from upstile.server.fastapi import StepUp

pytestmark = pytest.mark.anyio
URL = "https://api.example.com"
RESOURCE, SERVER = "/.well-known/oauth-protected-resource", "/.well-known/oauth-authorization-server"


@dataclass(frozen=True)
class Documents:
    """As they came over the wire, and the header that leads to them."""

    resource: bytes
    server: bytes
    challenge: str


@pytest.fixture
async def documents(tmp_path: Path) -> AsyncGenerator[Documents]:
    """The documents of a deployment under https, as those libraries want it."""
    server = StepUp.embedded(
        url=URL,
        storage=f"sqlite:///{tmp_path / 's.db'}",
        clients=[App("cli", scopes="payments")],
        secret_keys=[urlsafe_b64encode(b"k" * 32)],
    )
    api = FastAPI()
    server.install(api)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url=URL)
    async with api.router.lifespan_context(api), http:
        refused = await http.get("/stepup/authenticators")
        found = [await http.get(path) for path in (RESOURCE, SERVER)]
        assert [reply.status_code for reply in (refused, *found)] == [401, 200, 200]
        yield Documents(found[0].content, found[1].content, refused.headers["www-authenticate"])


async def test_authlib_accepts_the_server_metadata(documents: Documents) -> None:
    model = module("authlib.oauth2.rfc8414").AuthorizationServerMetadata
    metadata = model(httpx.Response(200, content=documents.server).json())
    metadata.validate()
    assert metadata.authorization_endpoint == f"{URL}/stepup/authorize"
    assert metadata.token_endpoint_auth_methods_supported == ["none"]


async def test_the_mcp_sdk_finds_and_parses_both_documents(documents: Documents) -> None:
    utils, http = module("mcp.client.auth.utils"), module("httpx2")
    refused = http.Response(401, headers={"www-authenticate": documents.challenge}, request=http.Request("GET", URL))
    named = utils.extract_resource_metadata_from_www_auth(refused)
    assert named == utils.build_protected_resource_metadata_discovery_urls(named, URL)[0] == URL + RESOURCE
    resource = await utils.handle_protected_resource_response(http.Response(200, content=documents.resource))
    (issuer,) = resource.authorization_servers
    assert (str(resource.resource), resource.scopes_supported) == (URL, ["payments"])
    assert utils.build_oauth_authorization_server_metadata_discovery_urls(str(issuer), URL)[0] == URL + SERVER
    _, server = await utils.handle_auth_metadata_response(http.Response(200, content=documents.server))
    utils.validate_metadata_issuer(server, URL)
    assert str(server.authorization_endpoint) == f"{URL}/stepup/authorize"
    assert server.code_challenge_methods_supported == ["S256"]


@pytest.mark.parametrize("member", ["authorization_endpoint", "token_endpoint", "issuer"])
async def test_both_need_what_the_metadata_names(documents: Documents, member: str) -> None:
    members = httpx.Response(200, content=documents.server).json()
    del members[member]
    with pytest.raises(ValueError, match=member):
        module("authlib.oauth2.rfc8414").AuthorizationServerMetadata(members).validate()
    with pytest.raises(ValueError, match=member):
        module("mcp.shared.auth").OAuthMetadata.model_validate(members)
