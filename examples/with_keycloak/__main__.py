"""Serves the API for the realm of `realm.json`: `python -m examples.with_keycloak`."""

import uvicorn

from examples.with_keycloak.api import create_app
from examples.with_keycloak.app import API, ISSUER
from upstile.server.issuers import JWTVerifier, keycloak


def verifier(issuer: str = ISSUER) -> JWTVerifier:
    """Takes the realm's tokens for the client `bank-api`, which is how the realm calls the API."""
    return JWTVerifier(issuer=issuer, audience="bank-api", profile=keycloak())


if __name__ == "__main__":
    uvicorn.run(create_app(url=API, verifier=verifier()), host="127.0.0.1", port=8000)
