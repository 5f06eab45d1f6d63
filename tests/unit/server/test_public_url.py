"""Which URL a proof has to name: no two routes have one in common (docs/decisions/0028)."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from upstile.server._public_url import PublicUrl
from upstile.server.fastapi._starlette import head

pytestmark = pytest.mark.anyio
URL = "https://example.com/api"
ROUTES = ["/x", "/api/x", "/api/api/x"]
PATHS = ["/x", "/api/x", "/%61pi/x", "/api/api/x", "/%61pi/api/x", "/api/%61pi/x", "/%61p%69/%61pi/x", "/%61pi/%78"]


def below(root: str) -> FastAPI:
    """An application that says which route a call came to, and which URL its proof has to name."""
    api = FastAPI()

    def add(route: str) -> None:
        @api.get(route)
        async def handler(request: Request) -> dict[str, str]:
            return {"route": route, "url": PublicUrl(URL).of(head(request))}

    for route in ROUTES:
        add(route)
    return api


@pytest.mark.parametrize("root", ["", "/api"])
async def test_no_two_routes_have_a_url_in_common_however_a_path_is_escaped(root: str) -> None:
    transport = httpx.ASGITransport(below(root), root_path=root)
    named: dict[str, set[str]] = {}
    async with httpx.AsyncClient(transport=transport, base_url="https://example.com") as http:
        for path in PATHS:
            said: Any = (await http.get(path)).json()
            named.setdefault(httpx.URL(said["url"]).path, set()).add(said["route"])  # unescaped, as proofs are compared
    assert all(len(routes) == 1 for routes in named.values()), named


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/api/a%2Fb", f"{URL}/a%2Fb"),
        ("/%61pi/a%2Fb", f"{URL}/a%2Fb"),
        ("/api%2Fx", f"{URL}/api%2Fx"),
        ("/apis/x", f"{URL}/apis/x"),
        ("/api", URL),
        ("/api/", f"{URL}/"),
        ("/x%20y", f"{URL}/x%20y"),
    ],
)
async def test_only_the_root_path_is_read_and_the_rest_stays_as_it_came(path: str, url: str) -> None:
    scope = {"type": "http", "method": "GET", "headers": [], "root_path": "/api", "raw_path": path.encode(), "path": ""}
    assert PublicUrl(URL).of(head(Request(scope))) == url
