from getpass import getpass

from upstile.client import Client, Totp

with Client("http://localhost:8000", client_id="profile-cli") as client:
    client.sign_in("/app/sign-in", json={"username": "ada", "password": getpass("Ada's password: ")})
    if not any(entry.state == "active" for entry in client.authenticators.list()):
        client.authenticators.enroll(Totp(), "my phone")  # the first time: add an authenticator app
    print(client.post("/profile", json={"city": "Graz"}).json())  # asks nobody, and needs no CSRF token
    print(client.put("/profile/account", json={"account": "AT61 1904 3002 3457 3201"}).json())  # asks for a code
