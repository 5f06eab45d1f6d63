"""A code that the server sends to where the person can read it: by mail, or as a text message."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from upstile.client._errors import ConfigurationError
from upstile.client._text import harmless
from upstile.client.methods._method import MethodUnavailable, Moment
from upstile.client.methods._typed import typed
from upstile.client.prompts import SendAgain
from upstile.client.words import said, shown

if TYPE_CHECKING:
    from upstile.protocol import EnrollResponse, Offer

_CODE = re.compile(r"[0-9]{6}(?:[0-9]{2})?")
_LONGEST_ID = 255
_LONGEST_HINT = 64
_LONGEST_DESTINATION = 320
_CHANNELS = {"email": ("by-mail", "mail-code"), "sms": ("by-text", "text-code")}
_OTHER = ("by-other", "sent-code")


class Otp:
    """Codes that are sent by mail or as a text message, to one of the destinations that the person has added.

    Args:
        destination: what is to be added by `client.authenticators.enroll(...)`: an address or a number, at most 320
            characters. To confirm, leave it out: the server says what there is.
    """

    name = "otp"
    asks = "code"

    def __init__(self, destination: str | None = None) -> None:
        if destination is not None and (
            not destination or len(destination) > _LONGEST_DESTINATION or not destination.isprintable()
        ):
            raise ConfigurationError(f"a destination has 1 to {_LONGEST_DESTINATION} characters that can be printed")
        self.destination = destination

    def available(self) -> bool:
        """Always: what is sent is read elsewhere."""
        return True

    def unavailable(self) -> None:
        """Never."""

    def words(self, offer: "Offer") -> str:
        """What a destination is called, by how it is reached and the server's hint."""
        row, hint = _CHANNELS.get(offer.channel or "", _OTHER)[0], harmless(offer.hint, longest=_LONGEST_HINT)
        return shown(row) if hint is None else shown(f"{row}-to", hint=hint)

    def look(self, offer: "Offer", moment: Moment) -> None:
        """The destination must have an id that can be sent back."""
        if offer.id is None or harmless(offer.id, longest=_LONGEST_ID) != offer.id:
            raise MethodUnavailable(**said("no-destination"))

    def look_at_new(self, pending: "EnrollResponse", moment: Moment) -> None:
        """What was sent tells the person more than we know."""

    def answer(self, offer: "Offer", moment: Moment) -> Mapping[str, str]:
        """Have the code sent; once it was, ask for it."""
        where = {"authn_id": offer.id or ""}
        if not moment.sent:
            return where
        label = shown(_CHANNELS.get(offer.channel or "", _OTHER)[1])
        try:
            return {**where, "otp": typed(moment, label, _wrong)}
        except SendAgain:
            return where

    def enroll(self, pending: "EnrollResponse", moment: Moment) -> Mapping[str, Any]:
        """Ask for the code that was sent to the new destination."""
        return {"otp": typed(moment, shown("sent-code"), _wrong)}


def _wrong(code: str) -> str | None:
    return None if _CODE.fullmatch(code) else "not-eight-digits"
