"""The application that `serving` puts load on: the same answer behind several guards."""

import asyncio
import sys
from pathlib import Path
from time import process_time, time
from typing import Annotated, Any

import jwt
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from jwt import PyJWK

from examples.bank.serving import free_port
from upstile.server import App, Authentication
from upstile.server.fastapi import StepUp


def make(url: str, folder: Path) -> tuple[FastAPI, str]:
    """The application and an elevated bearer token for it."""
    server = StepUp.embedded(
        url=url,
        storage=f"sqlite:///{folder / 'state.db'}",
        clients=[App("cli", scopes={"payments"})],
        dpop="optional",
        allow_insecure_loopback=True,
    )
    app = FastAPI()
    server.install(app)
    signing = server._deployment.own.signing
    asyncio.run(_prepared(server))
    now = int(time())
    claims = {"iss": url, "aud": url, "sub": "ada", "client_id": "cli", "iat": now, "exp": now + 3600, "jti": "j"}
    token = signing.sign({**claims, "scope": "payments", "acr": "mfa", "amr": ["otp"], "auth_time": now}, now)
    jwk = PyJWK.from_dict(signing.jwks()["keys"][0])
    _routes(app, server, jwk, url)
    return app, token


async def _prepared(server: StepUp) -> None:
    await server._deployment.prepare()
    await server._deployment.aclose()


def _routes(app: FastAPI, server: StepUp, jwk: PyJWK, url: str) -> None:
    async def nothing(request: Request) -> None:
        return None

    async def pyjwt(request: Request) -> dict[str, Any]:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            claims: dict[str, Any] = jwt.decode(token, jwk, algorithms=["ES256"], audience=url, issuer=url)
        except jwt.PyJWTError as error:
            raise HTTPException(401) from error
        if scheme != "Bearer" or claims.get("acr") != "mfa" or time() - claims["auth_time"] > 3600:
            raise HTTPException(401)
        return claims

    recent = server.require(acr="mfa", max_age=3600)

    @app.get("/bare")
    async def bare() -> dict[str, str]:
        return {"who": "ada"}

    @app.get("/cpu")
    async def cpu() -> float:
        return process_time()

    @app.get("/nothing")
    async def behind_nothing(_: Annotated[None, Depends(nothing)]) -> dict[str, str]:
        return {"who": "ada"}

    @app.get("/guarded")
    async def guarded(auth: Annotated[Authentication, Depends(recent)]) -> dict[str, str]:
        return {"who": auth.subject}

    @app.get("/pyjwt")
    async def by_hand(claims: Annotated[dict[str, Any], Depends(pyjwt)]) -> dict[str, str]:
        return {"who": claims["sub"]}


def main() -> None:
    """Serve, and say on which port and with which token; the arguments are the folder and the event loop."""
    folder, loop = Path(sys.argv[1]), sys.argv[2]
    listener, port = free_port()
    app, token = make(f"http://localhost:{port}", folder)
    sys.stdout.write(f"{port} {token}\n")
    sys.stdout.flush()
    http = {"asyncio": "h11", "uvloop": "httptools"}[loop]
    config = uvicorn.Config(app, log_level="warning", access_log=False, ws="none", loop=loop, http=http)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
