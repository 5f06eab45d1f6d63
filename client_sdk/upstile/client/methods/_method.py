"""What a way of proving oneself is on this side: is it here, answer an offer, enrol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any, Protocol

from upstile.client._errors import NoMethodAvailable
from upstile.client.methods._last_code import LastCode
from upstile.client.prompts import Prompter, missing

if TYPE_CHECKING:
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
        last_code: the one-time code that was sent last.
    """

    prompter: Prompter
    cancel: Event
    webauthn_origin: str
    last_code: LastCode = field(default_factory=LastCode, repr=False)


class Method(Protocol):
    """One way to prove who one is. `asks = "code"` says that it is of no use to a prompter that cannot ask for one."""

    @property
    def name(self) -> str:
        """The `authn_method` on the wire."""
        ...

    def available(self) -> bool:
        """Whether it can be used on this machine now, without asking anybody."""
        ...

    def answer(self, offer: "Offer", moment: Moment) -> Mapping[str, str]:
        """Ask the person; returns the members of the answer.

        Raises:
            MethodUnavailable: it turned out that it cannot be used; nothing was answered.
            StepUpCancelled: the person said no.
        """
        ...

    def enroll(self, pending: "EnrollResponse", moment: Moment) -> Mapping[str, Any]:
        """Set the new authenticator up; returns the members of the verification."""
        ...


def ready(methods: Sequence[Method], prompter: Prompter) -> list[Method]:
    """Those that can be used on this machine now, and that the app can ask the person for."""
    return [method for method in methods if _lacking(method, prompter) is None and method.available()]


def cannot_ask(methods: Sequence[Method], prompter: Prompter) -> NoMethodAvailable | None:
    """The error to raise where a method is of no use because the app cannot ask the person for it; `None` otherwise."""
    for method in methods:
        lacking = _lacking(method, prompter)
        if lacking is not None:
            return NoMethodAvailable(
                f"This app cannot ask for a {_asks(method)}",
                next_step="Use another app of this service for it, and tell the makers of this one.",
                hint=lacking,
            )
    return None


def _lacking(method: Method, prompter: Prompter) -> str | None:
    return missing(prompter, "code") if _asks(method) == "code" else None


def _asks(method: Method) -> str | None:
    return getattr(method, "asks", None)
