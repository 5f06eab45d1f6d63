"""Every kind of event: what it means, how it went, and who is told."""

from dataclasses import dataclass
from typing import Literal

EventKind = Literal[
    "challenged",
    "call-refused",
    "call-repeated",
    "login",
    "sign-in-refused",
    "ceremony-started",
    "start-refused",
    "code-sent",
    "code-not-sent",
    "answer-accepted",
    "answer-rejected",
    "answer-locked",
    "answer-refused",
    "ceremony-succeeded",
    "device-known",
    "token-issued",
    "token-refused",
    "code-replayed",
    "token-revoked",
    "revocation-refused",
    "enrolment-begun",
    "enrolment-dropped",
    "enrolment-refused",
    "authenticator-added",
    "authenticator-removed",
    "authenticator-renamed",
    "authenticator-closed",
    "authenticator-opened",
    "authenticator-disabled",
    "sign-count-went-back",
    "recovery-code-used",
    "recovery-codes-low",
    "recovery-codes-regenerated",
    "enrolment-code-issued",
    "restore-asked",
    "restore-cancelled",
    "restore-code-sent",
    "account-restored",
    "cooling-off-begun",
    "sessions-ended",
    "user-unlocked",
    "user-exported",
    "user-forgotten",
    "signing-key-rotated",
    "secrets-resealed",
]
Outcome = Literal["success", "failure", "unknown"]
"""As the Elastic Common Schema has it; `unknown` is what only asks, or is neither."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is said of a kind.

    Attributes:
        meaning: what happened, for docs/events.md.
        outcome: how it went.
        notifies: whether it concerns a person, so that `notify` is called.
        reason: what `reason` is: an `error` code, what the help desk `said`, or empty where there is none.
    """

    meaning: str
    outcome: Outcome = "success"
    notifies: bool = True
    reason: Literal["", "error", "said"] = ""

    @property
    def refuses(self) -> bool:
        """Whether its reason is an error code: one of few, so that it may be counted by."""
        return self.reason == "error"


def _refusal(meaning: str, *, notifies: bool = False) -> Kind:
    return Kind(meaning, "failure", notifies, "error")


def _help(meaning: str) -> Kind:
    return Kind(meaning, reason="said")


KINDS: dict[EventKind, Kind] = {
    "challenged": Kind("a call needs a stronger or fresher proof (401)", "unknown", notifies=False, reason="error"),
    "call-refused": _refusal("a call was refused: token, proof, scope or form"),
    "call-repeated": Kind("a call was let in with the token of a ceremony, the first time here", notifies=False),
    "login": Kind("the application signed somebody in"),
    "sign-in-refused": _refusal("a sign-in was refused: its DPoP proof or app"),
    "ceremony-started": Kind("the person is asked for a proof", "unknown"),
    "start-refused": _refusal("a ceremony could not start"),
    "code-sent": Kind("a one-time code was sent", "unknown"),
    "code-not-sent": Kind("a one-time code could not be sent", "failure", notifies=False),
    "answer-accepted": Kind("a proof was right, and another one is needed"),
    "answer-rejected": Kind("a proof was wrong", "failure"),
    "answer-locked": Kind("too many wrong proofs: locked for a while", "failure"),
    "answer-refused": _refusal("an answer was not judged"),
    "ceremony-succeeded": Kind("the last proof was right: a code was issued"),
    "device-known": Kind("a device confirmed for the first time: its wrong answers count apart from now on"),
    "token-issued": Kind("the code was exchanged for an elevated token"),
    "token-refused": _refusal("a code was not exchanged"),
    "code-replayed": Kind("a code came twice: its token was ended", "failure"),
    "token-revoked": Kind("an app signed out, or gave a token back"),
    "revocation-refused": _refusal("a token was not revoked"),
    "enrolment-begun": Kind("setting up an authenticator began", "unknown"),
    "enrolment-dropped": Kind("an authenticator was given up before it was in use", notifies=False),
    "enrolment-refused": _refusal("a change of the authenticators was refused"),
    "authenticator-added": Kind("an authenticator is in use from now on"),
    "authenticator-removed": Kind("an authenticator was removed"),
    "authenticator-renamed": Kind("an authenticator has another name"),
    "authenticator-closed": Kind("100 wrong answers by unknown devices: closed to them", "failure"),
    "authenticator-opened": _help("a closed authenticator is open to new devices again"),
    "authenticator-disabled": _help("the help desk took all authenticators out of use"),
    "sign-count-went-back": Kind("a security key counted backwards: it may have been copied", "failure"),
    "recovery-code-used": Kind("a recovery code was used"),
    "recovery-codes-low": Kind("three recovery codes are left", "unknown"),
    "recovery-codes-regenerated": Kind("new recovery codes were made; the old ones are void"),
    "enrolment-code-issued": _help("the help desk made a code for a first enrolment"),
    "restore-asked": Kind("a way back by mail was asked for: a code can be had in a day", "unknown"),
    "restore-cancelled": Kind("a way back by mail was cancelled: a known device or a proof was here"),
    "restore-code-sent": Kind("a code that restores an account was mailed", "unknown"),
    "account-restored": Kind("a mailed code was used: all that was enrolled before is out of use, sign-ins have ended"),
    "cooling-off-begun": Kind("authenticators were reset: some things stay closed, until the time in `detail`"),
    "sessions-ended": _help("all sign-ins of a user were ended"),
    "user-unlocked": _help("the locks of a user were lifted"),
    "user-exported": _help("what is kept of a user was handed out"),
    "user-forgotten": _help("what is kept of a user was deleted"),
    "signing-key-rotated": Kind("a new signing key was made"),
    "secrets-resealed": Kind("secrets at rest were sealed anew"),
}
