"""The ways to prove who one is: one small module each, all with the same verbs."""

from upstile.client.methods._last_code import LastCode
from upstile.client.methods._method import Method, MethodUnavailable, Moment, cannot_ask, ready
from upstile.client.methods._totp import Totp
from upstile.client.methods._webauthn import WebAuthn

__all__ = ["LastCode", "Method", "MethodUnavailable", "Moment", "Totp", "WebAuthn", "cannot_ask", "ready"]
