"""An application for tests of `upstile.server.testing`: some guarded routes over a deployment of any options."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, WebSocket

from upstile.server import App, Authentication, TokenResponse
from upstile.server.fastapi import StepUp
from upstile.server.testing import Clock

URL = "http://localhost:8000"


def shop(**options: Any) -> tuple[FastAPI, StepUp]:
    """The application and its server; in memory unless the options say otherwise."""
    defaults: dict[str, Any] = {
        "url": URL,
        "storage": ":memory:",
        "clients": [App("cli", scopes="orders refunds")],
        "allow_insecure_loopback": True,
        "clock": Clock(),
    }
    server = StepUp.embedded(**{**defaults, **options})
    app = FastAPI()
    server.install(app)
    recent = server.requirement(acr="mfa", max_age=300, scope="orders")
    once = server.requirement(acr="mfa", max_age=0)

    @app.post("/login")
    async def login(user: str, request: Request) -> TokenResponse:
        return await server.start_session(user, amr=["pwd"], request=request)

    @app.post("/orders/{name:path}")
    async def order(name: str, auth: Annotated[Authentication, Depends(recent)]) -> list[str]:
        return [auth.subject, name]

    @app.delete("/once")
    async def for_once(auth: Annotated[Authentication, Depends(once)]) -> str:
        return auth.subject

    @app.get("/me")
    async def me(auth: Annotated[Authentication, Depends(server.require())]) -> list[str]:
        return [auth.subject, auth.client_id, *sorted(auth.scope)]

    @app.websocket("/prices")
    async def prices(websocket: WebSocket, auth: Annotated[Authentication, Depends(recent)]) -> None:
        await websocket.accept()
        await websocket.send_text(auth.subject)
        await websocket.close()

    return app, server
