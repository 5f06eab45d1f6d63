"""Authentication methods: one small module each, all with the same verbs."""

from upstile.server.authorization.methods._configured import configured
from upstile.server.authorization.methods._context import MethodContext, Secrets
from upstile.server.authorization.methods._method import (
    Confirmed,
    Enrolled,
    Method,
    Offered,
    Purpose,
    Traits,
    Verified,
    Wanted,
)
from upstile.server.authorization.methods._totp import Totp
from upstile.server.authorization.methods._webauthn import WebAuthn

__all__ = [
    "Confirmed",
    "Enrolled",
    "Method",
    "MethodContext",
    "Offered",
    "Purpose",
    "Secrets",
    "Totp",
    "Traits",
    "Verified",
    "Wanted",
    "WebAuthn",
    "configured",
]
