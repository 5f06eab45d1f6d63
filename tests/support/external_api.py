"""An API of a test's own that takes the tokens of other issuers."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any

import httpx
from fastapi import Depends, FastAPI

from support.issuer_server import NOW, URL
from upstile.protocol import parse_challenges
from upstile.server import Authentication
from upstile.server.fastapi import StepUp


@dataclass
class ExternalApi:
    """The API, and a client of it.

    Attributes:
        http: in process.
        server: its guards.
    """

    http: httpx.AsyncClient
    server: StepUp

    async def call(self, token: str, path: str = "/any", scheme: str = "Bearer", **headers: str) -> httpx.Response:
        """A call with a token."""
        return await self.http.get(path, headers={"Authorization": f"{scheme} {token}", **headers})


def told(reply: httpx.Response) -> tuple[int, str]:
    """Status, and the error of the challenge or the type of the problem."""
    for line in reply.headers.get_list("www-authenticate"):
        for challenge in parse_challenges(line):
            if "error" in challenge.params:
                return reply.status_code, challenge.params["error"]
    problem = reply.json()["type"].rpartition(":")[2] if reply.status_code >= 400 else ""
    return reply.status_code, problem


@asynccontextmanager
async def external_api(
    verifier: Any,
    *,
    url: str = URL,
    clock: Callable[[], float] = lambda: NOW,
    guards: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    **options: Any,
) -> AsyncGenerator[ExternalApi]:
    """An API with guards: `/any` takes any token, `/mfa` one of strength, `/recent` one of the last minutes, too.

    Args:
        verifier: for the tokens of its issuers.
        url: its own.
        clock: the time.
        guards: what further paths ask.
        options: further ones of `StepUp`.
    """
    server = StepUp(url=url, verifier=verifier, clock=clock, allow_insecure_loopback=True, **options)
    async with served(server, url, guards) as api:
        yield api


@asynccontextmanager
async def served(server: StepUp, url: str, guards: Mapping[str, Mapping[str, Any]]) -> AsyncGenerator[ExternalApi]:
    """An API with these guards, and those that all have."""
    api = FastAPI()
    server.install(api)
    usual: dict[str, Mapping[str, Any]] = {
        "/any": {},
        "/mfa": {"acr": "mfa"},
        "/recent": {"acr": "mfa", "max_age": 300},
    }
    for path, asked in (usual | dict(guards)).items():
        _add(api, path, server.require(**asked))
    async with api.router.lifespan_context(api):
        transport = httpx.ASGITransport(api, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url=url) as http:
            yield ExternalApi(http, server)


def _add(api: FastAPI, path: str, guard: Any) -> None:
    @api.api_route(path, methods=["GET", "POST"])
    async def handler(auth: Annotated[Authentication, Depends(guard)]) -> dict[str, Any]:
        return {"sub": auth.subject, "app": auth.client_id, "iss": auth.token.issuer, "acr": sorted(auth.acr)}
