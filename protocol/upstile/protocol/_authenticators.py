"""The messages of enrolment and self-service (upstile profile §8)."""

from typing import Any, Literal

from pydantic import Field

from upstile.protocol._ceremony import OptionalSecret
from upstile.protocol._message import Message, WholeNumber

AUTHENTICATORS_SCOPE = "authenticators"


class Authenticator(Message):
    """One enrolled credential of a user, as its owner sees it; times are epoch seconds."""

    id: str
    method: str
    name: str
    created: WholeNumber
    last_used: WholeNumber | None = None
    state: Literal["pending", "active", "disabled"]
    expires_in: WholeNumber | None = None


class AuthenticatorList(Message):
    """All authenticators of the user, pending ones included."""

    authenticators: tuple[Authenticator, ...]


class EnrollRequest(Message):
    """Begin to enrol: which method, and what the user calls it."""

    method: str
    name: str = Field(min_length=1, max_length=100)
    destination: str | None = Field(default=None, max_length=320)
    enrolment_code: OptionalSecret = Field(default=None, max_length=128)


class EnrollResponse(Message):
    """What the user's device needs now: creation options (webauthn) or a key URI (totp)."""

    id: str
    state: Literal["pending", "active"]
    expires_in: WholeNumber | None = None
    options: dict[str, Any] | None = Field(default=None, repr=False)
    otpauth_uri: OptionalSecret = None
    codes: tuple[str, ...] | None = Field(default=None, repr=False)


class VerifyRequest(Message):
    """The proof that the new authenticator works."""

    otp: OptionalSecret = Field(default=None, max_length=64)
    registration_response: dict[str, Any] | None = Field(default=None, repr=False)


class RenameRequest(Message):
    """A new name for an authenticator."""

    name: str = Field(min_length=1, max_length=100)
