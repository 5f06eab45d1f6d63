"""A code from an authenticator app: the person reads it, we pass it on."""

from collections.abc import Mapping
from typing import Any

from upstile.client._errors import StepUpCancelled
from upstile.client.methods._method import Moment
from upstile.protocol import EnrollResponse, Offer, plain_code


class Totp:
    """Time-based one-time codes (RFC 6238)."""

    name = "totp"

    def available(self) -> bool:
        """Always: the app is in the person's pocket."""
        return True

    def answer(self, offer: Offer, moment: Moment) -> Mapping[str, str]:
        """Ask for the code."""
        return {"otp": _typed(moment, "Code from your authenticator app")}

    def enroll(self, pending: EnrollResponse, moment: Moment) -> Mapping[str, Any]:
        """Show the key URI, if it was not shown before, then ask for the first code."""
        if pending.otpauth_uri is not None:
            moment.prompter.show_key_uri(pending.otpauth_uri)
        return {"otp": _typed(moment, "First code that your authenticator app shows")}


def _typed(moment: Moment, label: str) -> str:
    code = plain_code(moment.prompter.code(label, moment.cancel))
    if not code:
        raise StepUpCancelled("No code was given")
    return code
