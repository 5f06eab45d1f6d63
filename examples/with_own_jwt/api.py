from secrets import token_urlsafe
from time import time
from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from upstile.server import App, Authentication, TokenResponse
from upstile.server.fastapi import StepUp

app = FastAPI()
KEY = token_urlsafe(32)  # yours comes from your configuration
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]
notes: list[str] = []


def check_password(who: dict[str, str]) -> str:
    if who != {"username": "ada", "password": "correct horse"}:  # here stands your own check
        raise HTTPException(403, "Unknown user or wrong password")
    return who["username"]


@app.post("/token")
async def token(who: dict[str, str]) -> dict[str, str]:
    now = int(time())
    claims = {"iss": "notes", "sub": check_password(who), "iat": now, "exp": now + 7 * 86_400}
    return {"access_token": jwt.encode(claims, KEY, "HS256"), "token_type": "bearer"}


def own_claims(credentials: HTTPAuthorizationCredentials | None) -> dict[str, Any]:
    text, needed = credentials.credentials if credentials else "", ["sub", "iat", "exp"]
    try:
        return jwt.decode(text, KEY, ["HS256"], issuer="notes", options={"require": needed})
    except jwt.InvalidTokenError:
        raise HTTPException(401, "Sign in", {"WWW-Authenticate": "Bearer"}) from None


# New: the server, its sign-in for apps that step up, and whoever calls, with either token.
server = StepUp.embedded(
    url="http://localhost:8000",
    storage="sqlite:///stepup.db",
    clients=[App("notes-cli")],
    allow_insecure_loopback=True,  # for development: plain http on this machine
)
server.install(app)
RECENT_MFA = server.requirement(acr="mfa", max_age=300, reason="Confirm that all notes go")


@app.post("/app/sign-in")
async def sign_in(who: dict[str, str], request: Request) -> TokenResponse:
    return await server.start_session(check_password(who), amr=["pwd"], request=request)


async def user(auth: Annotated[Authentication | None, Depends(server.optional())], credentials: Credentials) -> str:
    return str(own_claims(credentials)["sub"]) if auth is None else auth.subject


@app.get("/notes")  # as it was: only `user` is new
async def read(name: Annotated[str, Depends(user)]) -> list[str]:
    return notes


@app.post("/notes")
async def write(note: dict[str, str], name: Annotated[str, Depends(user)]) -> str:
    notes.append(f"{name}: {note['text']}")
    return notes[-1]


@app.delete("/notes")  # steps up: a JWT of the service's own does not get here any more
async def delete(auth: Annotated[Authentication, Depends(RECENT_MFA)]) -> dict[str, str]:
    notes.clear()
    return {"deleted by": auth.subject}
