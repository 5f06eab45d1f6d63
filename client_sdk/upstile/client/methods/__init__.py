"""The ways to prove who one is: one small module each, all with the same verbs."""

from upstile.client.methods._last_code import LastCode
from upstile.client.methods._method import Looks, Method, MethodUnavailable, Moment, none_left, ready, way_of, why_not
from upstile.client.methods._totp import Totp
from upstile.client.methods._webauthn import WebAuthn

__all__ = [
    "LastCode",
    "Looks",
    "Method",
    "MethodUnavailable",
    "Moment",
    "Totp",
    "WebAuthn",
    "none_left",
    "ready",
    "way_of",
    "why_not",
]
