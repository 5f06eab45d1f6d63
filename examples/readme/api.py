"""What the README shows of the API author's side."""

# README: guard
from typing import Annotated

from fastapi import Depends, FastAPI

from upstile.server.fastapi import App, Authentication, StepUp

app = FastAPI()
server = StepUp.embedded(
    url="https://api.example.com", storage="sqlite:///stepup.db", clients=[App("bank-cli", scopes="payments")]
)
server.install(app)
RECENT_MFA = server.requirement(acr="mfa", max_age=300, reason="Confirm this transfer")


@app.post("/transfers")
async def transfer(order: dict[str, str], auth: Annotated[Authentication, Depends(RECENT_MFA)]) -> dict[str, str]:
    return {"sent": order["amount"], "by": auth.subject}


# README: end


def check_password(username: str, password: str) -> str:
    """Your own check, as it is: the user, or your own refusal."""
    if (username, password) != ("ada", "correct horse"):
        from fastapi import HTTPException

        raise HTTPException(403, "Unknown user or wrong password")
    return username


# README: sign-in
from fastapi import Request

from upstile.server import TokenResponse


@app.post("/login")
async def login(who: dict[str, str], request: Request) -> TokenResponse:
    user = check_password(who["username"], who["password"])  # your own, as it is
    return await server.start_session(user, amr=["pwd"], request=request)


# README: end


# README: handler
@app.post("/orders/{amount}")
async def order(amount: int, auth: Annotated[Authentication, Depends(server.require())]) -> str:
    if amount > 1000:  # before anything is changed: the client repeats the whole call
        auth.require(acr="mfa", max_age=60, reason=f"Confirm the order over {amount} EUR")  # no await
    return f"ordered for {amount} EUR"


# README: end
