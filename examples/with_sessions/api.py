from secrets import compare_digest, token_urlsafe
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from starlette.middleware.sessions import SessionMiddleware

from upstile.server import App, Authentication, TokenResponse
from upstile.server.fastapi import StepUp

app = FastAPI()
app.add_middleware(SessionMiddleware, secret_key=token_urlsafe(32))  # with https: https_only=True
profile = {"city": "", "account": ""}


def check_password(who: dict[str, str]) -> str:
    if who != {"username": "ada", "password": "correct horse"}:  # here stands your own check
        raise HTTPException(403, "Unknown user or wrong password")
    return who["username"]


@app.post("/session")
async def begin(who: dict[str, str], request: Request) -> dict[str, str]:
    request.session.clear()
    request.session.update(user=check_password(who), csrf=token_urlsafe(32))
    return {"csrf": request.session["csrf"]}


def session_user(request: Request) -> str:
    user, csrf = request.session.get("user"), request.session.get("csrf")
    if not user or not csrf:
        raise HTTPException(401, "Sign in")
    sent = request.headers.get("x-csrf-token", "")
    if request.method not in ("GET", "HEAD") and not compare_digest(sent.encode(), csrf.encode()):
        raise HTTPException(403, "The form is too old: load the page again")
    return str(user)


# New: the server, its sign-in for apps that step up, and whoever calls, in either way.
server = StepUp.embedded(
    url="http://localhost:8000",
    storage="sqlite:///stepup.db",
    clients=[App("profile-cli")],
    allow_insecure_loopback=True,  # for development: plain http on this machine
)
server.install(app)
RECENT_MFA = server.requirement(acr="mfa", max_age=300, reason="Confirm the account that we pay to")


@app.post("/app/sign-in")  # the password, never the cookie: a browser sends that by itself
async def sign_in(who: dict[str, str], request: Request) -> TokenResponse:
    return await server.start_session(check_password(who), amr=["pwd"], request=request)


async def user(request: Request, auth: Annotated[Authentication | None, Depends(server.optional())]) -> str:
    return session_user(request) if auth is None else auth.subject  # no browser sends a token by itself


@app.get("/profile")  # as it was: only `user` is new
async def read(name: Annotated[str, Depends(user)]) -> dict[str, str]:
    return profile


@app.post("/profile")
async def write(change: dict[str, str], name: Annotated[str, Depends(user)]) -> str:
    profile["city"] = change["city"]
    return f"changed by {name}"


@app.put("/profile/account")  # steps up: a session alone does not get here
async def account(change: dict[str, str], auth: Annotated[Authentication, Depends(RECENT_MFA)]) -> str:
    profile["account"] = change["account"]
    return f"changed by {auth.subject}"
