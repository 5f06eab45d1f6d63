"""The ways to confirm that a deployment offers: `StepUp.embedded(…, methods=[WebAuthn(), Totp()])`.

Beside them stands what a method of your own is made of: the verbs (`Method`, and `Enrols` where users enrol it), what
they take and give, and how what it proves is said (`Proof`, `Factor`). `examples/own_method` is one.
"""

from upstile.protocol import AnswerRequest, MalformedMessage, Offer, VerifyRequest
from upstile.server.authorization._acr import Factor, Proof
from upstile.server.authorization.methods import (
    Check,
    CodeMessage,
    Confirmed,
    Deliver,
    EmailCode,
    Enrolled,
    Enrols,
    Mails,
    Method,
    MethodContext,
    Offered,
    Order,
    Password,
    Purpose,
    RecoveryCodes,
    Restores,
    Secrets,
    Sends,
    Sent,
    SmsCode,
    Totp,
    Traits,
    Verified,
    Wanted,
    WebAuthn,
)
from upstile.server.storage import AuthenticatorRecord, User

__all__ = [
    "AnswerRequest",
    "AuthenticatorRecord",
    "Check",
    "CodeMessage",
    "Confirmed",
    "Deliver",
    "EmailCode",
    "Enrolled",
    "Enrols",
    "Factor",
    "Mails",
    "MalformedMessage",
    "Method",
    "MethodContext",
    "Offer",
    "Offered",
    "Order",
    "Password",
    "Proof",
    "Purpose",
    "RecoveryCodes",
    "Restores",
    "Secrets",
    "Sends",
    "Sent",
    "SmsCode",
    "Totp",
    "Traits",
    "User",
    "Verified",
    "VerifyRequest",
    "Wanted",
    "WebAuthn",
]
