"""A code from an authenticator app: the person reads it, we pass it on."""

from collections.abc import Mapping
from typing import Any

from upstile.client.methods._method import Moment
from upstile.protocol import EnrollResponse, Offer


class Totp:
    """Time-based one-time codes (RFC 6238)."""

    name = "totp"

    def available(self) -> bool:
        """Always: the app is in the person's pocket."""
        return True

    def answer(self, offer: Offer, moment: Moment) -> Mapping[str, str]:
        """Ask for the code."""
        return {"otp": moment.prompter.code("Code from your authenticator app", moment.cancel)}

    def enroll(self, pending: EnrollResponse, moment: Moment) -> Mapping[str, Any]:
        """Show the key URI, then ask for the first code."""
        moment.prompter.show_key_uri(pending.otpauth_uri or "")
        return {"otp": moment.prompter.code("First code that your authenticator app shows", moment.cancel)}
