"""What the README shows of the API author's side."""

from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel

from upstile.server import Authentication, Client
from upstile.server.fastapi import StepUp


class Transfer(BaseModel):
    """An order."""

    to: str
    amount: str


# README
app = FastAPI()
server = StepUp.embedded(
    url="https://api.example.com", storage="sqlite:///stepup.db", clients=[Client("bank-cli", scopes={"payments"})]
)
server.install(app)
RECENT_MFA = server.requirement(acr="mfa", max_age=300, reason="Confirm this transfer")


@app.post("/transfers")
async def transfer(order: Transfer, auth: Annotated[Authentication, Depends(RECENT_MFA)]) -> dict[str, str]:
    return {"sent": order.amount, "by": auth.subject}


# README
