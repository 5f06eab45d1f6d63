"""The bank's app: its user signs in in the browser, and confirms there what the API asks.

`python -m examples.with_keycloak.app` pays at this example's API; with the addresses of an API and of an issuer behind
it, at those: such as `examples.with_oidc_provider` prints them.
"""

import sys
from typing import Any

import httpx

from upstile.client import Client

API, ISSUER = "http://localhost:8000", "http://127.0.0.1:8080/realms/bank"


def pay(api: str = API, issuer: str = ISSUER, **options: Any) -> httpx.Response:
    """Sign in and pay; the options are those of `Client`."""
    with Client(api, client_id="bank-app", issuer=issuer, **options) as client:
        client.sign_in()
        return client.request("POST", "/transfers", json={"to": "ACME", "amount": "50.00"})


if __name__ == "__main__":
    reply = pay(*sys.argv[1:])
    print(reply.status_code, reply.json())
