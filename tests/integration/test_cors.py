"""An app in a browser on another origin: it can read what it is asked for, and its preflights are not asked."""

import re
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI

from upstile.server import App, Authentication
from upstile.server.fastapi import StepUp

PAGE = (Path(__file__).parents[2] / "docs" / "workers.md").read_text()
ORIGIN = "https://app.example.com"


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    """An API with the middleware that the page shows."""
    app = FastAPI()
    server = StepUp.embedded(
        url="http://localhost:8000",
        storage=f"sqlite:///{tmp_path / 'bank.db'}",
        clients=[App("web")],
        allow_insecure_loopback=True,
    )
    server.install(app)

    @app.post("/transfers")
    async def transfer(auth: Annotated[Authentication, Depends(server.require(acr="mfa"))]) -> str:
        return auth.subject

    [block] = re.findall(r"```python\n(from fastapi.middleware.cors.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {"app": app}
    exec(block, names)  # noqa: S102 - the page's own
    return app


@pytest.mark.anyio
async def test_a_preflight_is_never_challenged_and_a_challenge_can_be_read(app: FastAPI) -> None:
    asks = {"origin": ORIGIN, "access-control-request-method": "POST"}
    asks["access-control-request-headers"] = "authorization,dpop"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000") as browser:
        preflight = await browser.options("/transfers", headers=asks)
        assert preflight.status_code == 200
        assert "www-authenticate" not in preflight.headers
        refused = await browser.post("/transfers", headers={"origin": ORIGIN})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == ORIGIN
    exposed = {name.strip().lower() for name in refused.headers["access-control-expose-headers"].split(",")}
    assert {"www-authenticate", "dpop-nonce"} <= exposed
