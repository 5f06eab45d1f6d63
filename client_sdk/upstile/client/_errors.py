"""What the client half raises. Each error says, in a person's words, what to do next: `diagnostics()`.

UpstileError
├── ConfigurationError        the client cannot work, or cannot be safe, as it is configured
└── StepUpError               a call that asked for more did not go through
    ├── StepUpRequired        the app wants to prompt on its own terms (`interaction="never"`)
    ├── StepUpCancelled       the person, or the app, said no
    ├── StepUpTimeout         the person did not answer in time
    ├── StepUpUnsatisfied     the API asks again although the ceremony succeeded
    ├── NoMethodAvailable     nothing enrolled, or nothing on this machine, reaches what is asked
    ├── UnreplayableBody      the request could not be repeated, so nobody was asked
    ├── UntrustedChallenge    the challenge points to an origin or issuer that is not configured
    ├── CeremonyFailed        the authorization server refused, or did something that it must not do
    ├── OutcomeUnknown        the answer to a call that cannot be repeated was lost
    ├── NotSignedIn           the call needs a sign-in, and there is none
    ├── SignInExpired         the API does not take the sign-in any more
    └── StoreError            the place where the sign-in is kept cannot be used
"""

from collections.abc import Sequence
from copy import copy
from datetime import UTC
from email.utils import parsedate_to_datetime

from upstile.client._exchange import Incoming
from upstile.client._text import harmless
from upstile.protocol import MalformedMessage, Problem, Requirement, UpstileError

_CLOCK_TOLERANCE = 30.0


class StepUpError(UpstileError):
    """A call that asked for a stronger or fresher authentication did not go through.

    Its text may quote a server; it holds nothing that a terminal would obey.

    Attributes:
        response: the challenge that began it, or the refusal that ended it; `None` where there was none.
        next_step: what the person or the developer can do.
        hint: what is said to developers; never shown to the person.
    """

    code = "step_up"
    next_step = ""

    def __init__(
        self,
        message: str,
        *,
        response: Incoming | None = None,
        next_step: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(harmless(message) or "")
        self.response = response
        self.hint = harmless(hint)
        if next_step is not None:
            self.next_step = harmless(next_step) or self.next_step
        if self.next_step:
            self.add_note(self.next_step)
        if self.hint:
            self.add_note(f"For developers: {self.hint}")

    @property
    def correlation_id(self) -> str | None:
        """The API's own name for the refused call, for its support and its audit log."""
        if self.response is None:
            return None
        try:
            return harmless(Problem.from_json(self.response.body).instance)
        except MalformedMessage:
            return None

    def for_caller(self, response: Incoming | None) -> "StepUpError":
        """The same for one of several callers: with the caller's own challenge, and no trace of the others."""
        own = copy(self).with_traceback(None)
        own.response = self.response or response
        return own

    def diagnostics(self) -> str:
        """What happened and what to do next, in sentences for the person at the terminal."""
        parts = [f"{self}.", self.next_step] if self.next_step else [f"{self}."]
        if self.correlation_id is not None:
            parts.append(f"If you ask for help, name {self.correlation_id}.")
        return " ".join(parts)


class ConfigurationError(UpstileError, ValueError):
    """The client cannot work, or cannot be safe, as it is configured; the message says what to change."""

    code = "configuration"


class StepUpRequired(StepUpError):
    """The call needs a ceremony and `interaction="never"` forbids it.

    Attributes:
        requirement: what the API asks.
        methods: what this client could do.
    """

    code = "step_up_required"
    next_step = "Call client.step_up(...) when the person is ready, then repeat the call."

    def __init__(self, requirement: Requirement, methods: Sequence[str], *, response: Incoming | None) -> None:
        super().__init__(f"The API asks for {requirement}", response=response)
        self.requirement = requirement
        self.methods = tuple(methods)


class StepUpCancelled(StepUpError):
    """The person, or the app on their behalf, cancelled the ceremony."""

    code = "step_up_cancelled"
    next_step = "Nothing was done. Repeat the call to be asked again."


class StepUpTimeout(StepUpCancelled):
    """The person did not answer within `human_timeout`."""

    code = "step_up_timeout"
    next_step = "Nothing was done. Repeat the call when you are at the keyboard."


class StepUpUnsatisfied(StepUpError):
    """The API, or the authorization server, did not honour a ceremony that succeeded."""

    code = "step_up_unsatisfied"
    next_step = "Asking again would not help: the API and its authorization server disagree. Tell the API's operator."


class NoMethodAvailable(StepUpError):
    """Nothing that the person has enrolled, and this machine can do, reaches what is asked.

    Attributes:
        enrollable: what could be enrolled.
    """

    code = "no_method_available"
    next_step = "Enrol an authenticator first, or connect the one that you have."

    def __init__(
        self,
        message: str,
        *,
        enrollable: Sequence[str] = (),
        response: Incoming | None = None,
        next_step: str | None = None,
        hint: str | None = None,
    ) -> None:
        names = ", ".join(enrollable)
        step = next_step or (f"Enrol one of: {names}." if names else None)
        super().__init__(message, response=response, next_step=step, hint=hint)
        self.enrollable = tuple(enrollable)


class UnreplayableBody(StepUpError):
    """The request's body was a stream that is used up, so the call could not be repeated."""

    code = "unreplayable_body"
    next_step = "Send bytes, JSON, a form or a seekable file, or ask first with step_up=Requirement(...)."


class UntrustedChallenge(StepUpError):
    """A challenge that points elsewhere than the configuration says."""

    code = "untrusted_challenge"
    next_step = "If the authorization server moved, change issuer= in the app; otherwise somebody is in between."


class CeremonyFailed(StepUpError):
    """The authorization server refused, or sent what it must not send.

    Attributes:
        error: its OAuth error code, if it sent one.
        retry_after: seconds to wait, if it said so.
    """

    code = "ceremony_failed"
    next_step = "Repeat the call; if it fails again, tell the API's operator."

    def __init__(
        self,
        message: str,
        *,
        error: str | None = None,
        retry_after: int | None = None,
        response: Incoming | None = None,
        next_step: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, response=response, next_step=next_step, hint=hint)
        self.error = error
        self.retry_after = retry_after


class OutcomeUnknown(StepUpError):
    """The connection broke after a call was repeated with a token that serves once: it may have been carried out."""

    code = "outcome_unknown"
    next_step = "Look whether it was carried out before you try again."


class NotSignedIn(StepUpError):
    """The call needs a sign-in, and nobody is signed in."""

    code = "not_signed_in"
    next_step = "Sign in first."

    def __init__(self, message: str = "You are not signed in", *, response: Incoming | None = None) -> None:
        super().__init__(message, response=response)


class SignInExpired(StepUpError):
    """The API does not take the token of the sign-in any more: it has expired, or was revoked."""

    code = "sign_in_expired"
    next_step = "Sign in again."

    def __init__(self, message: str = "Your sign-in has ended", *, response: Incoming | None = None) -> None:
        super().__init__(message, response=response)


class StoreError(StepUpError):
    """The place where the sign-in is kept cannot be used; what is kept there is as it was."""

    code = "store"


def server_time(date: str | None) -> float | None:
    """What a server's `Date` says, in epoch seconds (RFC 9110 §6.6.1); `None` where it says nothing."""
    try:
        moment = parsedate_to_datetime(date) if date else None
        return None if moment is None else moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def clock_hint(date: str | None, now: float) -> str | None:
    """A sentence about this machine's clock, if the server's `Date` says that it is off (RFC 9110 §6.6.1)."""
    there = server_time(date)
    if there is None or abs(now - there) < _CLOCK_TOLERANCE:
        return None
    ahead = now - there
    where = "ahead of" if ahead > 0 else "behind"
    return f"This machine's clock is {abs(ahead):.0f} seconds {where} the server's: set it right."
