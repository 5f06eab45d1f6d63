"""The authorization endpoint, until its page is built: whoever opens it reads that there is nothing to do."""

from pathlib import Path
from typing import Any

import pytest

from support.own_app import own_app
from upstile.server import StorageUnavailable

pytestmark = pytest.mark.anyio
PATH = "/stepup/authorize"
EVIL = "https://evil.example/?<script>alert(1)</script>"
QUERY = {
    "response_type": "code",
    "client_id": "bank-cli",
    "redirect_uri": EVIL,
    "state": "s3cret",
    "request_uri": "urn:x",
    "prompt": "none",
}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_no_request_is_followed_or_repeated(tmp_path: Path, method: str) -> None:
    async with own_app(tmp_path) as app:
        seen = set()
        requests: list[dict[str, Any]] = [{}, {"params": QUERY}, {"data": QUERY}, {"content": b"x" * 70_000}]
        for request in requests:
            reply = await app.http.request(method, PATH, headers={"origin": EVIL, "cookie": "a=b"}, **request)
            assert reply.status_code == 400
            assert not {"location", "refresh", "set-cookie", "www-authenticate"} & set(reply.headers)
            assert not any(value in reply.text + str(reply.headers.raw) for value in ("evil", "s3cret", "script"))
            seen.add(reply.content)
        assert len(seen) == 1
        assert b"This server is asked by its apps" in seen.pop()


async def test_the_page_cannot_be_framed_run_anything_or_be_kept(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        headers = (await app.http.get(PATH)).headers
        policy = dict(each.strip().split(" ", 1) for each in headers["content-security-policy"].split(";"))
        assert policy == dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'")
        assert headers["x-frame-options"] == "DENY"
        assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")
        assert (headers["content-type"], headers["x-content-type-options"]) == ("text/html; charset=utf-8", "nosniff")


async def test_the_page_touches_no_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with own_app(tmp_path) as app:

        async def broken(*_: Any) -> None:
            raise StorageUnavailable("gone")

        await app.server._deployment.aclose()
        monkeypatch.setattr(app.server._deployment.own.storage.stores[0], "prepare", broken)
        assert (await app.http.get(PATH)).status_code == 400
        assert (await app.http.get("/stepup/jwks")).status_code == 503


async def test_the_metadata_names_the_page(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        metadata = (await app.http.get("/.well-known/oauth-authorization-server")).json()
        assert metadata["authorization_endpoint"] == metadata["issuer"] + PATH
        assert metadata["authorization_response_iss_parameter_supported"] is True
