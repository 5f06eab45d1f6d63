"""Authentication methods: one small module each, all with the same verbs."""

from upstile.server.authorization.methods._code_message import CodeMessage, Deliver
from upstile.server.authorization.methods._configured import configured
from upstile.server.authorization.methods._context import MethodContext, Secrets
from upstile.server.authorization.methods._method import (
    Confirmed,
    Enrolled,
    Enrols,
    Mails,
    Method,
    Offered,
    Order,
    Purpose,
    Restores,
    Sends,
    Sent,
    Traits,
    Verified,
    Wanted,
)
from upstile.server.authorization.methods._out_of_band import EmailCode, SmsCode
from upstile.server.authorization.methods._password import Check, Password
from upstile.server.authorization.methods._recovery_codes import RecoveryCodes
from upstile.server.authorization.methods._totp import Totp
from upstile.server.authorization.methods.webauthn._webauthn import WebAuthn

__all__ = [
    "Check",
    "CodeMessage",
    "Confirmed",
    "Deliver",
    "EmailCode",
    "Enrolled",
    "Enrols",
    "Mails",
    "Method",
    "MethodContext",
    "Offered",
    "Order",
    "Password",
    "Purpose",
    "RecoveryCodes",
    "Restores",
    "Secrets",
    "Sends",
    "Sent",
    "SmsCode",
    "Totp",
    "Traits",
    "Verified",
    "Wanted",
    "WebAuthn",
    "configured",
]
