"""What a way of proving oneself is on this side: is it here, answer an offer, enrol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from upstile.client._errors import NoMethodAvailable
from upstile.client._text import harmless
from upstile.client.methods._last_code import LastCode
from upstile.client.prompts import Prompter, Way, missing
from upstile.client.words import said, spoken

if TYPE_CHECKING:
    from upstile.protocol import EnrollResponse, Offer


class MethodUnavailable(Exception):
    """The method cannot be used on this machine now; the text says why, and another one may be tried.

    Attributes:
        next_step: what the person can do about it.
        hint: what is said to developers.
    """

    def __init__(self, message: str, *, next_step: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.next_step = next_step
        self.hint = hint


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """What a method may need while it asks the person.

    Attributes:
        prompter: how to ask.
        cancel: is set when the answer is no longer wanted.
        webauthn_origin: the origin that WebAuthn client data names.
        last_code: the one-time code that was sent last.
        sent: whether the server has sent a code to the destination that is answered for.
    """

    prompter: Prompter
    cancel: Event
    webauthn_origin: str
    last_code: LastCode = field(default_factory=LastCode, repr=False)
    sent: bool = False


class Method(Protocol):
    """One way to prove who one is. `asks = "code"` says that it is of no use to a prompter that cannot ask for one.

    `asks` may also be `"password"`. `shows = "codes"` says that a new one shows recovery codes, `adds = False` that
    nothing of it can be added, and `destination` where a new one is to be reached.
    """

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


@runtime_checkable
class Looks(Protocol):
    """Can tell more before the person is asked than whether it is here."""

    def unavailable(self) -> MethodUnavailable | None:
        """Why it cannot be used on this machine now; `None` if it can."""
        ...

    def look(self, offer: "Offer", moment: Moment) -> None:
        """Look at an offer.

        Raises:
            MethodUnavailable: it cannot be answered here.
            CeremonyFailed: it must not be answered.
        """
        ...

    def look_at_new(self, pending: "EnrollResponse", moment: Moment) -> None:
        """Look at what a new authenticator is to be set up with; raises the same."""
        ...


@runtime_checkable
class HasDestinations(Protocol):
    """A step may offer it several times, each for another destination."""

    def words(self, offer: "Offer") -> str:
        """What this one is called, with what the server says of the destination."""
        ...


def way_of(method: Method, offer: "Offer") -> Way:
    """An offer as the person may choose it."""
    if isinstance(method, HasDestinations):
        words = harmless(method.words(offer)) or spoken(method.name)
        return Way(id=f"{method.name}:{offer.id}", method=method.name, words=words)
    return Way(id=method.name, method=method.name, words=spoken(method.name))


def why_not(method: Method, prompter: Prompter) -> MethodUnavailable | None:
    """Why a method is of no use now: it is not here, or the app cannot ask for it; `None` if it can be used."""
    asks = getattr(method, "asks", None)
    lacking = missing(prompter, asks) if asks in ("code", "password") else None
    if lacking is not None:
        return MethodUnavailable(**said("cannot-ask", what=asks, lacking=lacking))
    if method.available():
        return None
    reason = method.unavailable() if isinstance(method, Looks) else None
    return reason or MethodUnavailable(**said("not-here", name=method.name))


def shows_codes(method: Method) -> bool:
    """Whether a new one is a set of recovery codes, which is shown once and good at once."""
    return getattr(method, "shows", None) == "codes"


def why_not_new(method: Method, prompter: Prompter) -> MethodUnavailable | None:
    """Why nothing of a method can be added now; `None` if it can."""
    if not getattr(method, "adds", True):
        return MethodUnavailable(**said("not-added-here"))
    if not shows_codes(method):
        return why_not(method, prompter)
    lacking = missing(prompter, "codes")
    return None if lacking is None else MethodUnavailable(**said("cannot-show-codes", lacking=lacking))


def ready(methods: Sequence[Method], prompter: Prompter) -> list[Method]:
    """Those that can be used on this machine now, and that the app can ask the person for."""
    return [method for method in methods if why_not(method, prompter) is None]


def none_left(reasons: Sequence[MethodUnavailable]) -> NoMethodAvailable:
    """The error to raise where no method can be used: it says the first reason, its hint all of them."""
    if not reasons:
        return NoMethodAvailable(**said("no-method"))
    first, hints = reasons[0], dict.fromkeys(reason.hint or str(reason) for reason in reasons)
    return NoMethodAvailable(str(first), next_step=first.next_step, hint="; ".join(hints))
