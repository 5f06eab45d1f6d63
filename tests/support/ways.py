"""Ways to confirm, as a prompter is given them."""

from upstile.client import Way

KEY = Way(id="webauthn", method="webauthn", words="a security key")
APP = Way(id="totp", method="totp", words="an authenticator app")
MAIL = Way(id="otp:em1", method="otp", words="a code by mail to a•••@example.com")
