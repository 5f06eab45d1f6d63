"""What the client half raises. Each error says, in a person's words, what to do next: `diagnostics()`.

What it says stands in `upstile.client.words`; the texts here are for errors that an app's own part raises.

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
from typing import Any

from upstile.client._exchange import Incoming
from upstile.client._text import harmless
from upstile.client.words import TABLE, said
from upstile.protocol import MalformedMessage, Requirement, UpstileError

_CLOCK_TOLERANCE = 30.0
_LONGEST_HINT = 1000


class StepUpError(UpstileError):
    """A call that asked for a stronger or fresher authentication did not go through.

    Its text may quote a server; it holds nothing that a terminal would obey.

    Attributes:
        response: the challenge that began it, or the refusal that ended it; `None` where there was none.
        next_step: what the person can do.
        hint: what was wrong and what to change, for developers; never shown to the person.
    """

    code = "step_up"
    next_step = "Try again. If it fails again, tell the people who run the service."
    hint = "the message says what happened, and response is what the API sent"
    _support_could_help = True

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
        self.next_step = harmless(next_step) or self.next_step
        self.hint = harmless(hint, longest=_LONGEST_HINT) or self.hint
        if not self._says_next_step:
            self.add_note(self.next_step)
        self.add_note(f"For developers: {self.hint}")

    @property
    def correlation_id(self) -> str | None:
        """The API's own name for the refused call, for its support and its audit log."""
        if self.response is None:
            return None
        from upstile.protocol import Problem

        try:
            return harmless(Problem.from_json(self.response.body).instance)
        except MalformedMessage:
            return None

    @property
    def support_reference(self) -> str | None:
        """What to name to the API's support: `correlation_id`, unless the person only has to sign in or to go on."""
        return self.correlation_id if self._support_could_help else None

    def for_caller(self, response: Incoming | None) -> "StepUpError":
        """The same for one of several callers: with the caller's own challenge, and no trace of the others."""
        own = copy(self).with_traceback(None)
        own.response = self.response or response
        return own

    @property
    def _says_next_step(self) -> bool:
        """Whether the message says already what to do."""
        return self.next_step.rstrip(".").casefold() in str(self).casefold()

    def diagnostics(self) -> str:
        """What happened and what to do next, in sentences for the person at the terminal."""
        parts = [f"{self}."] if self._says_next_step else [f"{self}.", self.next_step]
        if self.support_reference is not None:
            parts.append(f"If you ask for help, name {self.support_reference}.")
        return " ".join(parts)


class ConfigurationError(UpstileError, ValueError):
    """The client cannot work, or cannot be safe, as it is configured; the message tells developers what to change.

    Attributes:
        next_step: what the person can do.
    """

    code = "configuration"
    next_step = "Tell the makers of this app."

    @property
    def hint(self) -> str:
        """The message: all of it is for developers."""
        return str(self)

    def diagnostics(self) -> str:
        """What the person is told."""
        return f"This app is not set up right. {self.next_step}"


class StepUpRequired(StepUpError):
    """The call needs a ceremony and `interaction="never"` forbids it.

    Attributes:
        requirement: what the API asks.
        methods: what this client could do.
    """

    code = "step_up_required"
    next_step = TABLE["needs-you"].next_step
    hint = "call client.step_up(...) when the person is ready, then repeat the call"

    def __init__(
        self,
        requirement: Requirement,
        methods: Sequence[str],
        *,
        response: Incoming | None = None,
        hint: str | None = None,
    ) -> None:
        words = said("needs-you", asked=requirement, able=", ".join(methods) or "nothing")
        words["hint"] = hint or words["hint"]
        super().__init__(**words, response=response)
        self.requirement = requirement
        self.methods = tuple(methods)


class StepUpCancelled(StepUpError):
    """The person, or the app on their behalf, cancelled the ceremony."""

    code = "step_up_cancelled"
    next_step = TABLE["cancelled"].next_step
    hint = "the person, the prompter or the app cancelled; nothing was sent"
    _support_could_help = False


class StepUpTimeout(StepUpCancelled):
    """The person did not answer within `human_timeout`."""

    code = "step_up_timeout"
    next_step = TABLE["nobody-answered"].next_step
    hint = TABLE["nobody-answered"].hint


class StepUpUnsatisfied(StepUpError):
    """The API, or the authorization server, did not honour a ceremony that succeeded."""

    code = "step_up_unsatisfied"
    next_step = TABLE["asks-again"].next_step
    hint = TABLE["asks-again"].hint


class NoMethodAvailable(StepUpError):
    """Nothing that the person has enrolled, and this machine can do, reaches what is asked.

    Attributes:
        enrollable: what could be enrolled.
    """

    code = "no_method_available"
    next_step = "Set up a way to confirm first, or connect the one that you have."
    hint = "client.authenticators.enroll(...) adds an authenticator"

    def __init__(
        self,
        message: str,
        *,
        enrollable: Sequence[str] = (),
        response: Incoming | None = None,
        next_step: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, response=response, next_step=next_step, hint=hint)
        self.enrollable = tuple(enrollable)


class UnreplayableBody(StepUpError):
    """The request's body was a stream that is used up, so the call could not be repeated."""

    code = "unreplayable_body"
    next_step = TABLE["unreplayable"].next_step
    hint = "send bytes, JSON, a form or a seekable file, or ask first with step_up=Requirement(...)"


class UntrustedChallenge(StepUpError):
    """A challenge that points elsewhere than the configuration says."""

    code = "untrusted_challenge"
    next_step = TABLE["issuer-not-named"].next_step
    hint = "if the authorization server moved, change issuer= in the app; otherwise somebody is in between"


class CeremonyFailed(StepUpError):
    """The authorization server refused, or sent what it must not send.

    Attributes:
        error: its OAuth error code, if it sent one.
        retry_after: seconds to wait, if it said so.
    """

    code = "ceremony_failed"
    hint = "the authorization server refused, or its reply makes no sense"

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
    next_step = TABLE["reply-lost"].next_step
    hint = TABLE["reply-lost"].hint


class NotSignedIn(StepUpError):
    """The call needs a sign-in, and nobody is signed in."""

    code = "not_signed_in"
    next_step = TABLE["not-signed-in"].next_step
    hint = TABLE["not-signed-in"].hint
    _support_could_help = False

    def __init__(self, message: str = TABLE["not-signed-in"].title, *, response: Incoming | None = None) -> None:
        super().__init__(message, response=response)


class SignInExpired(StepUpError):
    """The API does not take the token of the sign-in any more: it has expired, or was revoked."""

    code = "sign_in_expired"
    next_step = TABLE["sign-in-ended"].next_step
    hint = TABLE["sign-in-ended"].hint
    _support_could_help = False

    def __init__(self, message: str = TABLE["sign-in-ended"].title, **more: Any) -> None:
        super().__init__(message, **more)


class StoreError(StepUpError):
    """The place where the sign-in is kept cannot be used; what is kept there is as it was."""

    code = "store"
    next_step = "Try again. If it fails again, sign in anew."
    hint = "Store.read or Store.change failed"


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
