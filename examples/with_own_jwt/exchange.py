"""A sign-in for apps that step up that takes the service's own JWT in place of the password."""

from fastapi import Request

from examples.with_own_jwt.api import Credentials, app, own_claims, server
from upstile.server import TokenResponse


# README: exchange
@app.post("/app/sign-in/by-token")
async def exchange(credentials: Credentials, request: Request) -> TokenResponse:
    claims = own_claims(credentials)
    return await server.start_session(claims["sub"], amr=["pwd"], request=request, auth_time=claims["iat"])


# README: end
