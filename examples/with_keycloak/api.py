"""The bank's API, whose users sign in at an identity provider: it is the same for every provider."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI
from pydantic import BaseModel

from upstile.server import Authentication
from upstile.server.fastapi import StepUp
from upstile.server.issuers import IntrospectionVerifier, JWTVerifier


class Transfer(BaseModel):
    """What is sent to whom."""

    to: str
    amount: str


def create_app(*, url: str, verifier: JWTVerifier | IntrospectionVerifier) -> FastAPI:
    """The API at `url`; the verifier says whose tokens it takes, and how that provider writes them."""
    app = FastAPI(title="Bank")
    server = StepUp(url=url, verifier=verifier, allow_insecure_loopback=True)  # http://localhost; remove it for https
    server.install(app)

    @app.get("/accounts")
    async def accounts(auth: Annotated[Authentication, Depends(server.require())]) -> dict[str, Any]:
        return {"owner": auth.subject, "balance": "1000.00", "acr": sorted(auth.acr)}

    @app.post("/transfers")
    async def transfer(
        transfer: Transfer, auth: Annotated[Authentication, Depends(server.require(acr="mfa", max_age=300))]
    ) -> dict[str, Any]:
        return {"sent": transfer.amount, "to": transfer.to, "acr": sorted(auth.acr)}

    return app
