"""The edges of the embedded server's endpoints: methods, sizes, and an application that is put together wrongly."""

from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI

from support.wire_driver import NOON, URL, bank_app, enrolled_app, problem_of
from upstile.server import App, Authentication, ConfigurationError
from upstile.server.fastapi import StepUp

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/stepup/token", "POST"),
        ("PUT", "/stepup/challenge", "POST"),
        ("POST", "/stepup/jwks", "GET"),
        ("PUT", "/stepup/authenticators", "GET, POST"),
        ("GET", "/stepup/authenticators/x", "PATCH, DELETE"),
    ],
)
async def test_another_method_is_told_which_ones_there_are(
    tmp_path: Path, method: str, path: str, allowed: str
) -> None:
    async with bank_app(tmp_path) as app:
        reply = await app.http.request(method, path)
        assert (reply.status_code, reply.headers["allow"], reply.headers["cache-control"]) == (405, allowed, "no-store")
        assert reply.json()["error"] == "invalid_request"


async def test_a_document_can_be_asked_for_its_head(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        reply = await app.http.head("/.well-known/oauth-authorization-server")
        assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")


async def test_a_body_that_is_too_large_is_refused_in_the_form_of_its_endpoint(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        form = await app.post("/stepup/challenge", {"x": "y" * 70_000})
        assert (form.status_code, form.json()["error"]) == (413, "invalid_request")
        entry = await app.call("POST", "/stepup/authenticators", json={"method": "totp", "name": "n" * 70_000})
        assert (entry.status_code, problem_of(entry)) == (413, "invalid-request")


async def test_revocation_says_that_it_needs_no_secret(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        metadata = (await app.http.get("/.well-known/oauth-authorization-server")).json()
        assert metadata["revocation_endpoint_auth_methods_supported"] == ["none"]


def _deployment(folder: Path) -> StepUp:
    return StepUp.embedded(
        url=URL,
        storage=f"sqlite:///{folder / 'x.db'}",
        clients=[App("cli")],
        allow_insecure_loopback=True,
        clock=lambda: NOON,
    )


async def test_a_guard_in_an_application_without_install_says_what_to_call(tmp_path: Path) -> None:
    server, app = _deployment(tmp_path), FastAPI()

    @app.get("/")
    async def read(auth: Annotated[Authentication, Depends(server.require())]) -> str:
        return auth.subject

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http:
        with pytest.raises(ConfigurationError, match=r"server\.install\(app\)"):
            await http.get("/")
    await server._deployment.aclose()


def test_an_application_is_installed_into_once(tmp_path: Path) -> None:
    server, app = _deployment(tmp_path), FastAPI()
    server.install(app)
    with pytest.raises(ConfigurationError, match="ran already"):
        server.install(app)
