"""One call, from the first try to the repeat: a generator that knows no HTTP library.

It yields what has to be done, and an adapter does it: `Send` a request with these headers, `Wait` for a ceremony.

call → 401 challenge → (can it be repeated? is a token here already?) → ceremony → repeat

A route may ask for one thing at its guard and for another in its handler, so a call may have two ceremonies, for two
different things. The same challenge in answer to the token that it led to is the end.
"""

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import cast

from upstile.client._errors import (
    CeremonyFailed,
    NotSignedIn,
    OutcomeUnknown,
    SignInExpired,
    StepUpError,
    StepUpUnsatisfied,
    UnreplayableBody,
    UntrustedChallenge,
)
from upstile.client._events import Event, report
from upstile.client._exchange import Incoming
from upstile.client.flow._asked import Asked
from upstile.client.flow._call import Call, Flow, Send, Wait
from upstile.client.flow._logins import BaseToken, Caller, ElevatedToken, Token
from upstile.client.flow._proof_key import ProofKey
from upstile.client.flow._session import Session
from upstile.protocol import Requirement, StepUpChallenge, resource_covers

MOST_CEREMONIES = 2
"""For one call: its guard and its handler may ask for different things."""


@dataclass(kw_only=True, slots=True)
class _Progress:
    """What a call began with, and what happened to it so far.

    Attributes:
        began: when it set out, by the monotonic clock.
        caller: its base token, and whose call it is.
        tried: the tokens that it was sent with.
        asked: what ceremonies were held for it.
        sought: what the last of them was held for.
        fresh: the token of the last of them.
        revived: whether a dead token was replaced already.
    """

    began: float
    caller: Caller
    tried: list[Token | None] = field(default_factory=list["Token | None"])
    asked: list[Requirement] = field(default_factory=list[Requirement])
    sought: Asked | None = None
    fresh: ElevatedToken | None = None
    revived: bool = False


def flow(session: Session, call: Call) -> Flow:
    """Drive one call. The last response that was sent in is the call's own.

    Raises:
        StepUpError: the call needs more than could be had.
    """
    if call.caller is None:
        if call.step_up is not None:
            raise UntrustedChallenge(f"A step-up for {call.url} is not this client's to ask: it is another API")
        yield Send(headers=())  # another origin gets no token, and its challenges do not count
        return
    progress = _Progress(began=session.monotonic(), caller=call.caller)
    token, asked = (yield from _first(session, call, progress)), None
    while True:
        response = yield from _sent(session, call, token, progress)
        _is_whole(session, call, response)
        elsewhere = _is_elsewhere(session, call, progress, response)
        if elsewhere is None:
            _is_honoured(session, call, token, progress, response)
        challenge = session.pins.challenge_in(response, call.method, call.url)
        if challenge is not None:
            asked = _asked(call, progress, challenge, response, instead=elsewhere)
            token = yield from _stronger(session, call, asked, progress)
        elif elsewhere is not None:
            _is_replayable(call, response)
            token = yield from _elevated(session, _ahead(call, progress, response, elsewhere), progress)
        elif not _may_be_replaced(session, call, token, progress, response):
            break
        else:
            token = yield from _replaced(session, call, asked, progress)
    _is_signed_in(session, call, token, response)
    if isinstance(token, ElevatedToken) and response.status != 401:
        for sought in filter(None, (asked, progress.sought)):
            session.served(sought)
    if progress.asked:
        report(session.on_event, Event(kind="repeated", requirement=progress.asked[-1]))


def _first(
    session: Session, call: Call, progress: _Progress
) -> Generator[Wait, Incoming | ElevatedToken, Token | None]:
    """The token that goes first: one that an earlier call has taught, or that the app asks for ahead."""
    login = progress.caller.login
    if call.step_up is None:
        learned = session.learned.asked(call.method, call.url)
        known = None if learned is None else session.at_hand(learned, call.url, login)
        return known or progress.caller.base
    known = session.at_hand(call.step_up, call.url, login)
    if known is not None:
        return known
    return (yield from _elevated(session, _ahead(call, progress), progress))


def _is_whole(session: Session, call: Call, response: Incoming) -> None:
    """A challenge must not be lost on the way.

    Raises:
        CeremonyFailed: it was.
    """
    if session.pins.lost_challenge(response, call.method, call.url):
        raise CeremonyFailed(
            "The API asks for a confirmation, but how was lost on the way to this app",
            response=response,
            next_step="A gateway drops or renames the header WWW-Authenticate: tell the API's operator.",
        )


def _is_replayable(call: Call, response: Incoming | None) -> None:
    """Nobody is asked for a call that could not be repeated.

    Raises:
        UnreplayableBody: it could not.
    """
    if call.unreplayable is not None:
        raise UnreplayableBody(f"The API asks for a confirmation, but {call.unreplayable}", response=response)


def _replaced(
    session: Session, call: Call, asked: Asked | None, progress: _Progress
) -> Generator[Wait, Incoming | ElevatedToken, Token | None]:
    """What goes instead of a dead token: the call begins again, or its challenge is answered again."""
    again = _first(session, call, progress) if asked is None else _stronger(session, call, asked, progress)
    return (yield from again)


def _is_elsewhere(session: Session, call: Call, progress: _Progress, response: Incoming) -> ElevatedToken | None:
    """The token that was asked for ahead, if the API says that its URL belongs to another resource.

    Nobody could know that before the call went out, so it is no end: one more ceremony, for the right resource.
    """
    named = session.pins.named_metadata(response, call.method, call.url)
    if named is None:
        return None
    session.learned.named(call.url, named)
    fresh, sought = progress.fresh, progress.sought
    if fresh is None or sought is None or sought.challenge is not None or sought.instead is not None:
        return None
    return None if session.learned.described_at(fresh.resource) == named else fresh


def _is_honoured(session: Session, call: Call, token: Token | None, progress: _Progress, response: Incoming) -> None:
    """The token that was obtained for this very call must not be refused: another ceremony would end the same way.

    Raises:
        StepUpUnsatisfied: it was refused as none (upstile profile §3, end).
        OutcomeUnknown: the API says that it has served: the call may have arrived twice.
    """
    if token is None or token is not progress.fresh or progress.sought is None:
        return
    if session.pins.says_used(response, call.method, call.url):
        raise OutcomeUnknown("The API has seen this call before, and its reply was lost", response=response)
    dead = session.pins.is_dead(response, call.method, call.url)
    if dead or session.pins.wants_token(response, call.method, call.url):
        raise session.unsatisfied(progress.sought, progress.fresh, response)


def _may_be_replaced(
    session: Session, call: Call, token: Token | None, progress: _Progress, response: Incoming
) -> bool:
    """Whether an elevated token was refused as dead: revoked, or expired sooner than it said. The call was not done."""
    if not isinstance(token, ElevatedToken) or not session.pins.is_dead(response, call.method, call.url):
        if token is not None and token.token_type.lower() == "dpop":
            session.check_clock(response)
        return False
    session.tokens.drop(token)
    final = progress.revived or call.unreplayable is not None
    progress.revived = True
    return not final


def _is_signed_in(session: Session, call: Call, token: Token | None, response: Incoming) -> None:
    """A call that was refused for want of a sign-in is an error that says so.

    Raises:
        NotSignedIn, SignInExpired: with the response.
    """
    if token is None and session.pins.wants_token(response, call.method, call.url):
        raise NotSignedIn(response=response)
    if isinstance(token, BaseToken) and session.pins.is_dead(response, call.method, call.url):
        session.tokens.doubt(token)
        raise SignInExpired(response=response)


def _asked(
    call: Call,
    progress: _Progress,
    challenge: StepUpChallenge,
    response: Incoming,
    *,
    instead: ElevatedToken | None,
) -> Asked:
    """What a challenge asks."""
    asked = _ahead(call, progress, response, instead)
    return replace(asked, requirement=challenge.requirement, challenge=challenge)


def _ahead(
    call: Call, progress: _Progress, response: Incoming | None = None, instead: ElevatedToken | None = None
) -> Asked:
    """What the app asks ahead."""
    return Asked(
        requirement=call.step_up or Requirement(),
        url=call.url,
        since=progress.began,
        caller=progress.caller,
        response=response,
        refused=tuple(progress.tried),
        instead=instead,
        blocks=call.blocks,
    )


def _stronger(
    session: Session, call: Call, asked: Asked, progress: _Progress
) -> Generator[Wait, Incoming | ElevatedToken, ElevatedToken]:
    """Another token for the call: one that is here already, or one that the person confirms."""
    requirement, response = asked.requirement, asked.response
    session.learned.challenge(call.method, call.url, requirement)
    report(session.on_event, Event(kind="challenged", requirement=requirement))
    _is_replayable(call, response)
    session.pins.metadata_url(asked.challenge, response)  # an untrusted one ends the call before anybody is asked
    known = session.at_hand(requirement, call.url, progress.caller.login)
    if known is not None and known not in progress.tried:
        return known
    if asked.instead is None and any(requirement.asks == earlier.asks for earlier in progress.asked):
        raise session.unsatisfied(asked, progress.fresh, response)
    if len(progress.asked) == MOST_CEREMONIES:
        raise StepUpUnsatisfied(f"The API asks for one thing after another, now for {requirement}", response=response)
    return (yield from _elevated(session, asked, progress))


def _elevated(
    session: Session, asked: Asked, progress: _Progress
) -> Generator[Wait, Incoming | ElevatedToken, ElevatedToken]:
    progress.asked.append(asked.requirement)
    progress.sought = asked
    ticket = session.step_up(asked)
    try:
        token = cast(ElevatedToken, (yield Wait(ticket=ticket)))  # what an adapter answers a Wait with
    except StepUpError as error:
        raise error.for_caller(asked.response) from error.__cause__
    finally:
        ticket.give_back()
    if not resource_covers(token.resource, asked.url):
        raise UntrustedChallenge(f"The token is for {token.resource}, not for {asked.url}", response=asked.response)
    progress.fresh = token
    return token


def _sent(
    session: Session, call: Call, token: Token | None, progress: _Progress
) -> Generator[Send, Incoming | ElevatedToken, Incoming]:
    once = isinstance(token, ElevatedToken) and token.requirement.for_this_call
    repeat = bool(progress.tried)
    progress.tried.append(token)
    key = cast(Caller, call.caller).key
    nonce = key.nonce(call.url)
    headers = _headers(key, call, token)
    response = cast(Incoming, (yield Send(headers=headers, repeat=repeat, once=once)))
    if not session.pins.answers(response, call.method, call.url):
        return response
    key.learn(response)
    demanded = session.pins.wants_nonce(response, call.method, call.url) and key.nonce(call.url) != nonce
    # A transport below us that sends a request again sends its proof again, too.
    worn_out = session.pins.refuses_proof(response, call.method, call.url)
    if (demanded or worn_out) and call.unreplayable is None:
        headers = _headers(key, call, token)
        response = cast(Incoming, (yield Send(headers=headers, repeat=True, once=once)))
        key.learn(response)
    return response


def _headers(key: ProofKey, call: Call, token: Token | None) -> tuple[tuple[str, str], ...]:
    if token is None:
        return ()
    if token.token_type.lower() == "bearer":
        return (("Authorization", f"Bearer {token.access_token}"),)
    proof = key.proof(call.method, call.url, token.access_token)
    return (("Authorization", f"DPoP {token.access_token}"), ("DPoP", proof))
