from getpass import getpass

from upstile.client import Client, Totp

with Client("http://localhost:8000", client_id="bank-cli") as client:
    client.sign_in("/login", json={"username": "ada", "password": getpass("Ada's password: ")})
    if not any(entry.state == "active" for entry in client.authenticators.list()):
        client.authenticators.enroll(Totp(), "my phone")  # the first time: add an authenticator app
    reply = client.request("POST", "/transfers", json={"to": "ACME", "amount": "50.00"})
    print(reply.json())
