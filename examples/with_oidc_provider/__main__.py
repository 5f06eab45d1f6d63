"""Starts node oidc-provider, and serves the API for it: `python -m examples.with_oidc_provider`.

The provider is the one that the tests use: `npm ci --prefix tests/interop/node` gets it.
"""

import json
import subprocess
import sys
from pathlib import Path
from shutil import which

import uvicorn

from examples.with_keycloak.api import create_app
from upstile.server.issuers import JWTVerifier

API, PORT = "http://localhost:8000", 9090
PROVIDER = Path(__file__).parents[2] / "tests" / "interop" / "node"
OPTIONS = {"client": "bank-app", "policy": "stock"}
"""The stock policy: it asks for a second factor where that is an essential claim, which is how the app asks."""


def verifier(issuer: str, url: str = API) -> JWTVerifier:
    """Takes the provider's tokens for the resource `url`; how they are written is the standard's (RFC 9068)."""
    return JWTVerifier(issuer=issuer, audience=url)


def main() -> None:
    """Run both until Ctrl-C."""
    node = which("node")
    if node is None:
        sys.exit("There is no Node.js here: install version 20 or newer.")
    if not (PROVIDER / "node_modules" / "oidc-provider").is_dir():
        sys.exit("The provider is missing: npm ci --prefix tests/interop/node")
    command = [node, "oidc_provider.mjs", json.dumps({**OPTIONS, "port": PORT})]
    with subprocess.Popen(command, cwd=PROVIDER, stdout=subprocess.PIPE, text=True) as provider:  # noqa: S603
        try:
            issuer = provider.stdout.readline().strip() if provider.stdout else ""
            if not issuer:
                sys.exit(f"The provider did not start; what it says stands above. Is port {PORT} free?")
            print(f"python -m examples.with_keycloak.app {API} {issuer}")
            uvicorn.run(create_app(url=API, verifier=verifier(issuer)), host="127.0.0.1", port=8000)
        finally:
            provider.terminate()


if __name__ == "__main__":
    main()
