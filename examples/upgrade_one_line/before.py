import sys
from getpass import getpass

import httpx


def main(url: str) -> None:
    with httpx.Client(base_url=url) as client:
        login = {"username": "ada", "password": getpass("Ada's password: ")}
        token = client.post("/login", json=login).raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        reply = client.post("/transfers", json={"to": "ACME", "amount": "50.00"})
        print(reply.status_code, reply.json())  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
