"""Authentication methods: one small module each, all with the same verbs."""

from upstile.server.authorization.methods._method import Confirmed, Method, Offered, Purpose, Verified
from upstile.server.authorization.methods._totp import Totp
from upstile.server.authorization.methods._webauthn import WebAuthn

__all__ = ["Confirmed", "Method", "Offered", "Purpose", "Totp", "Verified", "WebAuthn"]
