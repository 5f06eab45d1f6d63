"""A code from an authenticator app: the person reads it, we pass it on."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from upstile.client._errors import CeremonyFailed
from upstile.client.methods._method import Moment
from upstile.client.methods._typed import typed
from upstile.client.prompts import counts_down, is_key_uri, next_code
from upstile.client.words import said, shown

if TYPE_CHECKING:
    from upstile.protocol import EnrollResponse, Offer

_CODE = re.compile(r"[0-9]{6}")


class Totp:
    """Time-based one-time codes (RFC 6238)."""

    name = "totp"
    asks = "code"

    def available(self) -> bool:
        """Always: the app is in the person's pocket."""
        return True

    def unavailable(self) -> None:
        """Never."""

    def look(self, offer: "Offer", moment: Moment) -> None:
        """An offer says nothing more."""

    def look_at_new(self, pending: "EnrollResponse", moment: Moment) -> None:
        """There must be a key URI that an authenticator app can read."""
        if pending.otpauth_uri is None or not is_key_uri(pending.otpauth_uri):
            raise CeremonyFailed(**said("no-key-uri"))

    def answer(self, offer: "Offer", moment: Moment) -> Mapping[str, str]:
        """Ask for the code."""
        return {"otp": _typed(moment, shown("app-code"))}

    def enroll(self, pending: "EnrollResponse", moment: Moment) -> Mapping[str, Any]:
        """Show the key URI, if it was not shown before, then ask for the first code."""
        if pending.otpauth_uri is not None:
            moment.last_code.forget()  # what was used came from another seed
            moment.prompter.show_key_uri(pending.otpauth_uri)
        return {"otp": _typed(moment, shown("first-app-code"))}


def _typed(moment: Moment, label: str) -> str:
    """A code that may be right, and was not used a moment ago, where the person was told to wait for the next."""

    def wrong(code: str) -> str | None:
        if not _CODE.fullmatch(code):
            return "not-six-digits"
        return "used-already" if counts_down(moment.prompter) and moment.last_code.was(code) else None

    def count_down() -> None:
        wait = moment.last_code.wait()
        if wait is not None:
            next_code(moment.prompter, wait)

    code = typed(moment, label, wrong, before=count_down)
    moment.last_code.sent(code)
    return code
