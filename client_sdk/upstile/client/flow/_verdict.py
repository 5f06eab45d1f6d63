"""What a response means for a call: whether it may go on, and if not, why not."""

from dataclasses import dataclass, field

from upstile.client._errors import (
    CeremonyFailed,
    NotSignedIn,
    OutcomeUnknown,
    SignInExpired,
    UnreplayableBody,
    clock_hint,
)
from upstile.client._exchange import Incoming
from upstile.client.flow._asked import Asked
from upstile.client.flow._call import Call
from upstile.client.flow._session import Session
from upstile.client.flow.tokens._logins import BaseToken, Caller, ElevatedToken, Token
from upstile.client.words import said
from upstile.protocol import Requirement, find_error, readable_challenges


@dataclass(kw_only=True, slots=True)
class Progress:
    """What a call began with, and what happened to it so far.

    Attributes:
        began: when it set out, by the monotonic clock.
        caller: its base token, and whose call it is.
        tried: the tokens that it was sent with.
        asked: what ceremonies were held for it.
        sought: what the last of them was held for.
        fresh: the token of the last of them.
        revived: whether a dead token was replaced already.
        renewed: whether the sign-in was renewed already.
    """

    began: float
    caller: Caller
    tried: list[Token | None] = field(default_factory=list["Token | None"])
    asked: list[Requirement] = field(default_factory=list[Requirement])
    sought: Asked | None = None
    fresh: ElevatedToken | None = None
    revived: bool = False
    renewed: bool = False


def check_whole(session: Session, call: Call, response: Incoming) -> None:
    """A challenge must not be lost on the way.

    Raises:
        CeremonyFailed: it was.
    """
    if session.pins.lost_challenge(response, call.method, call.url):
        raise CeremonyFailed(**said("challenge-lost"), response=response)


def check_replayable(call: Call, response: Incoming | None) -> None:
    """Nobody is asked for a call that could not be repeated.

    Raises:
        UnreplayableBody: it could not.
    """
    if call.unreplayable is not None:
        raise UnreplayableBody(**said("unreplayable", why=call.unreplayable), response=response)


def check_honoured(session: Session, call: Call, token: Token | None, progress: Progress, response: Incoming) -> None:
    """The token that was obtained for this very call must not be refused: another ceremony would end the same way.

    Raises:
        StepUpUnsatisfied: it was refused as none (upstile profile §3, end).
        OutcomeUnknown: the API says that it has served: the call may have arrived twice.
    """
    if token is None or token is not progress.fresh or progress.sought is None:
        return
    if session.pins.says_used(response, call.method, call.url):
        raise OutcomeUnknown(**said("seen-before"), response=response)
    dead = session.pins.is_dead(response, call.method, call.url)
    if dead or session.pins.wants_token(response, call.method, call.url):
        raise session.unsatisfied(progress.sought, progress.fresh, response)


def is_elsewhere(session: Session, call: Call, progress: Progress, response: Incoming) -> ElevatedToken | None:
    """The token that was asked for ahead, if the API says that its URL belongs to another resource.

    Nobody could know that before the call went out, so it is no end: one more ceremony, for the right resource.
    """
    named = session.pins.named_metadata(response, call.method, call.url)
    if named is None:
        return None
    session.learned.named(call.url, named)
    fresh, sought, seen = progress.fresh, progress.sought, (response, call.method, call.url)
    if session.pins.says_used(*seen):
        return None
    if not session.pins.is_dead(*seen) and session.pins.challenge_in(*seen) is None:
        return None
    if fresh is None or sought is None or sought.challenge is not None or sought.instead is not None:
        return None
    return None if session.learned.described_at(fresh.resource) == named else fresh


def may_be_replaced(session: Session, call: Call, token: Token | None, progress: Progress, response: Incoming) -> bool:
    """Whether an elevated token was refused as dead: revoked, or expired sooner than it said. The call was not done."""
    if not isinstance(token, ElevatedToken) or not session.pins.is_dead(response, call.method, call.url):
        if token is not None and token.token_type.lower() == "dpop":
            check_clock(session, response)
        return False
    session.tokens.elevated.drop(token)
    final = progress.revived or call.unreplayable is not None
    progress.revived = True
    return not final


def check_signed_in(session: Session, call: Call, token: Token | None, response: Incoming) -> None:
    """A call that was refused for want of a sign-in is an error that says so.

    Raises:
        NotSignedIn, SignInExpired: with the response.
    """
    if token is None and session.pins.wants_token(response, call.method, call.url):
        raise NotSignedIn(response=response)
    if isinstance(token, BaseToken) and session.pins.is_dead(response, call.method, call.url):
        session.tokens.doubt(token)
        raise SignInExpired(response=response)


def check_clock(session: Session, response: Incoming) -> None:
    """A proof that the API refuses because of a wrong clock is an error that says so."""
    if response.status != 401 or not session.pins.is_api(response.url):
        return
    if find_error(readable_challenges(response.lines("www-authenticate"))) != "invalid_dpop_proof":
        return
    hint = clock_hint(response.header("date"), session.clock())
    if hint is not None:
        raise CeremonyFailed(**said("proof-refused", clock=hint), response=response)
