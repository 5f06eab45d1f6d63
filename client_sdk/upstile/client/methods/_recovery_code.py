"""One of the codes that the person has saved for when nothing else is at hand."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from upstile.client._errors import CeremonyFailed
from upstile.client.methods._method import Moment
from upstile.client.methods._typed import typed
from upstile.client.prompts import show_codes
from upstile.client.words import said, shown
from upstile.protocol import is_spoken_code, spoken_code

if TYPE_CHECKING:
    from upstile.protocol import EnrollResponse, Offer

_MOST_CODES = 50
_GROUP = 4


class RecoveryCode:
    """Recovery codes: each is good once. A new set is shown once, and good from then on."""

    name = "recovery_code"
    asks = "code"
    shows = "codes"

    def available(self) -> bool:
        """Always: they lie in the person's drawer."""
        return True

    def unavailable(self) -> None:
        """Never."""

    def look(self, offer: "Offer", moment: Moment) -> None:
        """An offer says nothing more."""

    def look_at_new(self, pending: "EnrollResponse", moment: Moment) -> None:
        """There must be codes, and each must be one."""
        codes = pending.codes or ()
        if not 0 < len(codes) <= _MOST_CODES or not all(is_spoken_code(spoken_code(code)) for code in codes):
            raise CeremonyFailed(**said("no-codes"))

    def answer(self, offer: "Offer", moment: Moment) -> Mapping[str, str]:
        """Ask for one of them."""
        return {"otp": typed(moment, shown("recovery-code"), _wrong, read=spoken_code)}

    def enroll(self, pending: "EnrollResponse", moment: Moment) -> Mapping[str, Any]:
        """Show them, until the person says that they are saved; there is nothing to verify."""
        show_codes(moment.prompter, [_in_groups(spoken_code(code)) for code in pending.codes or ()], moment.cancel)
        return {}


def _wrong(code: str) -> str | None:
    return None if is_spoken_code(code) else "no-recovery-code"


def _in_groups(code: str) -> str:
    return "-".join(code[at : at + _GROUP] for at in range(0, len(code), _GROUP))
