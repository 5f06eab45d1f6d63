"""The password of the sign-in, asked for again: passed on, and kept nowhere."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from upstile.client._errors import StepUpCancelled
from upstile.client.methods._method import MethodUnavailable, Moment
from upstile.client.prompts import ask_password
from upstile.client.words import said, shown

if TYPE_CHECKING:
    from upstile.protocol import EnrollResponse, Offer


class Password:
    """The password of the sign-in. It cannot be added here: whoever has one has it."""

    name = "password"
    asks = "password"
    adds = False

    def available(self) -> bool:
        """Always: the person knows it."""
        return True

    def unavailable(self) -> None:
        """Never."""

    def look(self, offer: "Offer", moment: Moment) -> None:
        """An offer says nothing more."""

    def look_at_new(self, pending: "EnrollResponse", moment: Moment) -> None:
        """There is no new one."""
        raise MethodUnavailable(**said("not-added-here"))

    def answer(self, offer: "Offer", moment: Moment) -> Mapping[str, str]:
        """Ask for it, unseen; it is sent as it was typed."""
        password = ask_password(moment.prompter, shown("password"), moment.cancel)
        if not password or password.encode("utf-8", "replace").decode() != password:  # a half of a surrogate pair
            raise StepUpCancelled(**said("no-password-given"))
        return {"password": password}

    def enroll(self, pending: "EnrollResponse", moment: Moment) -> Mapping[str, Any]:
        """There is no new one."""
        raise MethodUnavailable(**said("not-added-here"))
