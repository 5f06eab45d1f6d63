"""The bank's API, as its author writes it for several machines: what differs between them is in the environment."""

import gc
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hashlib import scrypt
from hmac import compare_digest
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request

from upstile.server import App, Authentication, TokenResponse
from upstile.server.fastapi import StepUp


@asynccontextmanager
async def started(_: FastAPI) -> AsyncGenerator[None]:
    """What was loaded stays: later collections of garbage need not look at it, and hold nobody up."""
    gc.collect()
    gc.freeze()
    yield


app = FastAPI(title="Bank", lifespan=started)
server = StepUp.embedded(
    url=os.environ["BANK_URL"],
    storage=os.environ["BANK_STORAGE"],
    one_time=os.environ.get("BANK_ONE_TIME"),
    clients=[App("bank-cli", scopes={"payments"})],
    name="Bank",
    allow_insecure_loopback="BANK_ON_LOOPBACK" in os.environ,  # never set in production
)  # the secret keys are in UPSTILE_SECRET_KEYS, which it reads by itself
server.install(app)

SIGNED_IN = server.requirement()
RECENT_MFA = server.requirement(acr="mfa", max_age=300, scope="payments", reason="Confirm this transfer")


def _hash(password: str) -> bytes:
    return scrypt(password.encode(), salt=b"one salt each, in a real bank", n=2**12, r=8, p=1)


PASSWORDS = {"ada": _hash("correct horse")}


@app.post("/login")
async def login(who: dict[str, str], request: Request) -> TokenResponse:
    """Your own sign-in, as it is."""
    name = who["username"]
    if not compare_digest(PASSWORDS.get(name, b""), _hash(who["password"])):
        raise HTTPException(403, "Unknown user or wrong password")
    return await server.start_session(name, amr=["pwd"], request=request, account=f"{name}@example.com")


@app.get("/statements/{name:path}")
async def statement(name: str, auth: Annotated[Authentication, Depends(SIGNED_IN)]) -> dict[str, str]:
    """A statement of account; any token will do."""
    return {"statement": name, "of": auth.subject}


@app.post("/transfers")
async def transfer(order: dict[str, str], auth: Annotated[Authentication, Depends(RECENT_MFA)]) -> dict[str, str]:
    """A transfer; the bank wants a recent second factor."""
    return {"sent": order["amount"], "to": order["to"], "by": auth.subject}
