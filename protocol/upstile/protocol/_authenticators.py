"""The messages of enrolment and self-service (upstile profile §8)."""

from typing import Any, Literal

from pydantic import Field, field_validator

from upstile.protocol._ceremony import Name, OptionalSecret
from upstile.protocol._encoding import json_compact
from upstile.protocol._message import Message, ShownName, WholeNumber, WrittenCode

_MAX_REGISTRATION = 32_768
"""Bytes of JSON of a registration: its attestation may bring a chain of certificates."""


class Authenticator(Message):
    """One enrolled credential of a user, as its owner sees it; times are epoch seconds.

    Attributes:
        id: names it in requests.
        method: its kind: `totp`, `webauthn`, `otp`, `recovery_code`.
        name: what the user calls it.
        created: when it was added.
        last_used: when it last proved something; absent where it never did.
        state: `pending` until it is proved, then `active`; `disabled` by the operator.
        expires_in: seconds after which a pending one goes.
        channel, hint: otp: how its codes are sent, and the masked destination.
        codes_left: recovery_code: how many were not used yet.
        closed: a hundred wrong codes from unknown devices closed it to them; absent where it is open.
    """

    id: str
    method: str
    name: str
    created: WholeNumber
    last_used: WholeNumber | None = None
    state: Literal["pending", "active", "disabled"]
    closed: bool | None = None
    expires_in: WholeNumber | None = None
    channel: str | None = None
    hint: str | None = None
    codes_left: WholeNumber | None = None

    @property
    def question(self) -> str | None:
        """What to ask its owner where it is listed; if they say yes, it is opened."""
        return "100 wrong codes from unknown devices; let new devices try again?" if self.closed else None


class AuthenticatorList(Message):
    """All authenticators of the user, pending ones included."""

    authenticators: tuple[Authenticator, ...]


class EnrollRequest(Message):
    """Begin to enrol: which method, and what the user calls it."""

    method: Name
    name: ShownName
    destination: str | None = Field(default=None, max_length=320)
    enrolment_code: WrittenCode | None = Field(default=None, repr=False)


class EnrollResponse(Message):
    """What the user's device needs now: creation options (webauthn) or a key URI (totp)."""

    id: str
    state: Literal["pending", "active"]
    expires_in: WholeNumber | None = None
    options: dict[str, Any] | None = Field(default=None, repr=False)
    otpauth_uri: OptionalSecret = None
    codes: tuple[str, ...] | None = Field(default=None, repr=False)


class RestoreResponse(Message):
    """How far a way back by mail is: a code can be had in `sent_in` seconds; or one was sent, good for `expires_in`."""

    id: str
    state: Literal["waiting", "sent"]
    sent_in: WholeNumber | None = None
    expires_in: WholeNumber | None = None

    @property
    def sentences(self) -> str:
        """What to tell the person who asked."""
        if self.state == "sent":
            good = "" if self.expires_in is None else f" It is good for {_in_words(self.expires_in)}."
            return f"The code was sent by mail.{good} Set up a new way to confirm with it: all others end then."
        wait = "later" if self.sent_in is None else f"in {_in_words(self.sent_in)}"
        return (
            f"You get the code {wait}: come back then, sign in again and ask once more. All your addresses were told."
            " Whoever can still confirm, or signs in on a device that is known, stops it."
        )


def _in_words(seconds: int) -> str:
    """How long that is, rounded up: `24 hours`."""
    size, unit = (3600, "hour") if seconds > 5400 else (60, "minute")
    count = max(1, -(-seconds // size))
    return f"{count} {unit}{'' if count == 1 else 's'}"


class VerifyRequest(Message):
    """The proof that the new authenticator works."""

    otp: WrittenCode | None = Field(default=None, repr=False)
    registration_response: dict[str, Any] | None = Field(default=None, repr=False)

    @field_validator("registration_response")
    @classmethod
    def _bounded(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        try:
            size = 0 if value is None else len(json_compact(value))
        except ValueError:  # what was read has only whole characters, so it is its depth
            raise ValueError("Registration is nested too deeply") from None
        if size > _MAX_REGISTRATION:
            raise ValueError(f"Registration should have at most {_MAX_REGISTRATION} bytes")
        return value


class RenameRequest(Message):
    """A new name for an authenticator."""

    name: ShownName
