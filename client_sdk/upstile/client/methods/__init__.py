"""The ways to prove who one is: one small module each, all with the same verbs."""

from upstile.client.methods._last_code import LastCode
from upstile.client.methods._method import (
    Looks,
    Method,
    MethodUnavailable,
    Moment,
    none_left,
    ready,
    shows_codes,
    way_of,
    why_not,
    why_not_new,
)
from upstile.client.methods._otp import Otp
from upstile.client.methods._password import Password
from upstile.client.methods._recovery_code import RecoveryCode
from upstile.client.methods._totp import Totp
from upstile.client.methods._webauthn import WebAuthn

__all__ = [
    "LastCode",
    "Looks",
    "Method",
    "MethodUnavailable",
    "Moment",
    "Otp",
    "Password",
    "RecoveryCode",
    "Totp",
    "WebAuthn",
    "none_left",
    "ready",
    "shows_codes",
    "way_of",
    "why_not",
    "why_not_new",
]
