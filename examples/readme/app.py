"""What the README shows of the app author's side."""

# README: app
from getpass import getpass

from upstile.client import Client

with Client("https://api.example.com", client_id="bank-cli") as client:
    client.sign_in("/login", json={"username": "ada", "password": getpass()})
    reply = client.request("POST", "/transfers", json={"to": "ACME", "amount": "50.00"})  # asked, confirmed, repeated
# README: end
