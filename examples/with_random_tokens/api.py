"""A service whose own sign-in hands out random tokens, which it looks up in a table; one route steps up."""

from secrets import token_urlsafe
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import OAuth2PasswordBearer

from upstile.server import App, Authentication, TokenResponse
from upstile.server.fastapi import StepUp

app = FastAPI()
server = StepUp.embedded(
    url="http://localhost:8000",
    storage="sqlite:///stepup.db",
    clients=[App("files-cli")],
    allow_insecure_loopback=True,  # for development: plain http on this machine
)
server.install(app)
users = dict[str, str]()  # by their tokens; yours is a table


def check_password(who: dict[str, str]) -> str:
    if who != {"username": "ada", "password": "correct horse"}:  # here stands your own check
        raise HTTPException(403, "Unknown user or wrong password")
    return who["username"]


@app.post("/token")
async def token(who: dict[str, str]) -> dict[str, str]:
    text = token_urlsafe(32)
    users[text] = check_password(who)
    return {"access_token": text, "token_type": "bearer"}


def owner(text: str | None) -> str:
    if text not in users:
        raise HTTPException(401, "Sign in", {"WWW-Authenticate": "Bearer"})
    return users[text]


# README: tokens
own_token = OAuth2PasswordBearer(tokenUrl="/token", auto_error=False)  # new: auto_error


async def user(
    auth: Annotated[Authentication | None, Depends(server.optional())], text: Annotated[str | None, Depends(own_token)]
) -> str:
    return owner(text) if auth is None else auth.subject  # `owner` answers 401 where there is no such token


@app.post("/app/sign-in")
async def sign_in(who: dict[str, str], request: Request) -> TokenResponse:
    return await server.start_session(check_password(who), amr=["pwd"], request=request)


# README: end
@app.get("/files")
async def files(name: Annotated[str, Depends(user)]) -> dict[str, str]:
    return {"files of": name}


@app.delete("/files")
async def delete(auth: Annotated[Authentication, Depends(server.require(acr="mfa", max_age=300))]) -> dict[str, str]:
    return {"deleted by": auth.subject}
