"""What a way of proving oneself is on this side: is it here, answer an offer, enrol."""

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event
from typing import Any, Protocol

from upstile.client.prompts import Prompter
from upstile.protocol import EnrollResponse, Offer


class MethodUnavailable(Exception):
    """The method cannot be used on this machine now; the text says why, and another one may be tried."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """What a method may need while it asks the person.

    Attributes:
        prompter: how to ask.
        cancel: is set when the answer is no longer wanted.
        webauthn_origin: the origin that WebAuthn client data names.
    """

    prompter: Prompter
    cancel: Event
    webauthn_origin: str


class Method(Protocol):
    """One way to prove who one is."""

    @property
    def name(self) -> str:
        """The `authn_method` on the wire."""
        ...

    def available(self) -> bool:
        """Whether it can be used on this machine now, without asking anybody."""
        ...

    def answer(self, offer: Offer, moment: Moment) -> Mapping[str, str]:
        """Ask the person; returns the members of the answer.

        Raises:
            MethodUnavailable: it turned out that it cannot be used; nothing was answered.
            StepUpCancelled: the person said no.
        """
        ...

    def enroll(self, pending: EnrollResponse, moment: Moment) -> Mapping[str, Any]:
        """Set the new authenticator up; returns the members of the verification."""
        ...
