from getpass import getpass

from upstile.client import Client, Totp

with Client("http://localhost:8000", client_id="notes-cli") as client:
    client.sign_in("/app/sign-in", json={"username": "ada", "password": getpass("Ada's password: ")})
    if not any(entry.state == "active" for entry in client.authenticators.list()):
        client.authenticators.enroll(Totp(), "my phone")  # the first time: add an authenticator app
    print(client.post("/notes", json={"text": "buy milk"}).json())  # asks nobody
    print(client.delete("/notes").json())  # asks for a code
