from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request

from upstile.server import App, Authentication, TokenResponse
from upstile.server.fastapi import StepUp

app = FastAPI()
server = StepUp.embedded(
    url="http://localhost:8000",
    storage="sqlite:///stepup.db",
    clients=[App("bank-cli")],
    allow_insecure_loopback=True,  # for development: plain http on this machine
)
server.install(app)
RECENT_MFA = server.requirement(acr="mfa", max_age=300, reason="Confirm this transfer")


@app.post("/login")
async def login(who: dict[str, str], request: Request) -> TokenResponse:
    if who != {"username": "ada", "password": "correct horse"}:  # here stands your own check
        raise HTTPException(403, "Unknown user or wrong password")
    return await server.start_session(who["username"], amr=["pwd"], request=request)


@app.post("/transfers")
async def transfer(order: dict[str, str], auth: Annotated[Authentication, Depends(RECENT_MFA)]) -> dict[str, str]:
    return {"sent": order["amount"], "by": auth.subject}
