"""Makes the picture of Swagger's page over a small bank: `uv run python docs/images/swagger.py FOLDER`.

FOLDER holds `swagger-ui-bundle.js` and `swagger-ui.css`, as `npm pack swagger-ui-dist` brings them. It needs Chromium.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[1] / "tests")]

from examples.bank.serving import serving  # noqa: E402
from support.chromium import chromium  # noqa: E402
from upstile.server.fastapi import App, Authentication, StepUp  # noqa: E402

WIDTH, HEIGHT = 1000, 760


def bank(url: str, folder: Path, assets: Path) -> FastAPI:
    """Routes of each kind, and Swagger's page with the assets at hand."""
    server = StepUp.embedded(
        url=url,
        storage=f"sqlite:///{folder / 'bank.db'}",
        clients=[App("bank-cli", scopes="payments")],
        allow_insecure_loopback=True,
    )
    app, router = FastAPI(title="Bank", docs_url=None), APIRouter(route_class=server.route_class)
    signed_in = server.requirement()
    recent = server.requirement(acr=("phr", "mfa"), max_age=300, scope="payments", reason="Confirm the transfer")
    once = server.requirement(acr="phr", max_age=0, reason="Confirm that the account is to be closed")

    @router.get("/rates")
    async def rates() -> dict[str, float]:
        return {}

    @router.get("/accounts", dependencies=[Depends(signed_in)])
    async def accounts() -> list[str]:
        return []

    @router.delete("/account")
    async def close_account(auth: Annotated[Authentication, Depends(once)]) -> str:
        return auth.subject

    @router.post("/transfers")
    async def transfer(auth: Annotated[Authentication, Depends(recent)]) -> str:
        """Send money."""
        return auth.subject

    @app.get("/docs", include_in_schema=False)
    async def page() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Bank",
            swagger_js_url="/assets/swagger-ui-bundle.js",
            swagger_css_url="/assets/swagger-ui.css",
            swagger_favicon_url="data:,",
        )

    app.include_router(router)
    app.mount("/assets", StaticFiles(directory=assets))
    server.install(app)
    return app


def main(assets: Path, pictures: Path = HERE) -> None:
    """The routes at a glance, and one of them opened. The page has one look only."""
    with TemporaryDirectory() as folder, serving(lambda url: bank(url, Path(folder), assets)) as url, chromium() as tab:
        shown = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        tab.does("Emulation.setDeviceMetricsOverride", **shown)
        tab.goes(f"{url}/docs")
        tab.sees("/transfers")
        tab.clicks("#operations-default-transfer_transfers_post .opblock-summary-control")
        tab.sees("at most 5 minutes ago")
        (pictures / "swagger.png").write_bytes(tab.picture())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
