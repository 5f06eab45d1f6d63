"""One call, from the first try to the repeat: a generator that knows no HTTP library.

It yields what has to be done, and an adapter does it: `Send` a request with these headers, `Wait` for a ceremony.

call → 401 challenge → (can it be repeated? is a token here already?) → ceremony → repeat

A route may ask for one thing at its guard and for another in its handler, so a call may have two ceremonies, for two
different things. The same challenge in answer to the token that it led to is the end.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import cast

from upstile.client._errors import (
    CeremonyFailed,
    NotSignedIn,
    SignInExpired,
    StepUpError,
    StepUpUnsatisfied,
    UnreplayableBody,
    UntrustedChallenge,
)
from upstile.client._events import Event, report
from upstile.client._exchange import Incoming
from upstile.client.flow._flight import Ticket
from upstile.client.flow._logins import BaseToken, Caller, ElevatedToken, Token
from upstile.client.flow._proof_key import ProofKey
from upstile.client.flow._retries import CallName
from upstile.client.flow._session import Asked, Session
from upstile.protocol import Requirement, StepUpChallenge, resource_covers

MOST_CEREMONIES = 2
"""For one call: its guard and its handler may ask for different things."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """The call of an app.

    Attributes:
        method, url: of the request.
        caller: the base token, and whose call it is; `None` for a call to another origin.
        unreplayable: why the body cannot be sent twice, or `None` if it can.
        step_up: what the app asks ahead.
        blocks: whether the caller's thread stands still during a ceremony.
        is_retry: whether a library above us sends it again by itself: then nobody is asked for what failed before.
    """

    method: str
    url: str
    caller: Caller | None
    unreplayable: str | None = None
    step_up: Requirement | None = None
    blocks: bool = False
    is_retry: bool = False

    @property
    def name(self) -> CallName:
        """What makes it the same call, when it is sent again."""
        return self.caller and self.caller.login, self.method, self.url


@dataclass(frozen=True, kw_only=True, slots=True)
class Send:
    """Send the call with these headers; answer with its `Incoming`.

    Attributes:
        headers: what the call carries besides its own.
        repeat: whether it was sent before, so that its body has to be made ready again.
        once: whether its token serves one call: if the response is lost, its outcome is unknown.
    """

    headers: tuple[tuple[str, str], ...] = field(repr=False)
    repeat: bool = False
    once: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Wait for this ceremony; answer with its token, or throw its error."""

    ticket: Ticket[ElevatedToken]


Flow = Generator[Send | Wait, Incoming | ElevatedToken, None]


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
    try:
        yield from _driven(session, call)
    except StepUpError as error:
        session.refusals.keep(call.name, error)
        raise


def _driven(session: Session, call: Call) -> Flow:
    if call.caller is None:
        if call.step_up is not None:
            raise UntrustedChallenge(f"A step-up for {call.url} is not this client's to ask: it is another API")
        yield Send(headers=())  # another origin gets no token, and its challenges do not count
        return
    progress = _Progress(began=session.monotonic(), caller=call.caller)
    token, asked = (yield from _first(session, call, progress)), None
    while True:
        response = yield from _sent(session, call, token, progress)
        challenge = session.pins.challenge_in(response, call.method, call.url)
        if challenge is not None:
            asked = _asked(call, progress, challenge, response)
            token = yield from _stronger(session, call, asked, progress)
        elif session.pins.lost_challenge(response, call.method, call.url):
            raise CeremonyFailed(
                "The API asks for a confirmation, but how was lost on the way to this app",
                response=response,
                next_step="A gateway drops or renames the header WWW-Authenticate: tell the API's operator.",
            )
        elif _may_be_replaced(session, call, token, progress, response):
            again = _first(session, call, progress) if asked is None else _stronger(session, call, asked, progress)
            token = yield from again
        else:
            break
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
    if call.step_up is None:
        return session.tokens.for_call(call.method, call.url, progress.caller.login) or progress.caller.base
    known = session.tokens.find(call.step_up, call.url, progress.caller.login)
    if known is not None:
        return known
    return (yield from _elevated(session, call, _asked(call, progress, None, None, call.step_up), progress))


def _may_be_replaced(
    session: Session, call: Call, token: Token | None, progress: _Progress, response: Incoming
) -> bool:
    """Whether an elevated token was refused as dead: revoked, or expired sooner than it said. The call was not done."""
    if not isinstance(token, ElevatedToken) or not session.pins.is_dead(response, call.method, call.url):
        if token is not None and token.token_type.lower() == "dpop":
            session.check_clock(response)
        return False
    session.tokens.drop(token)
    final = progress.revived or token is progress.fresh or call.unreplayable is not None
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
    challenge: StepUpChallenge | None,
    response: Incoming | None,
    ahead: Requirement | None = None,
) -> Asked:
    return Asked(
        requirement=ahead or (challenge.requirement if challenge else Requirement()),
        url=call.url,
        since=progress.began,
        caller=progress.caller,
        challenge=challenge,
        response=response,
        refused=tuple(progress.tried),
        blocks=call.blocks,
    )


def _stronger(
    session: Session, call: Call, asked: Asked, progress: _Progress
) -> Generator[Wait, Incoming | ElevatedToken, ElevatedToken]:
    """Another token for the call: one that is here already, or one that the person confirms."""
    requirement, response = asked.requirement, asked.response
    session.tokens.learn(call.method, call.url, requirement)
    report(session.on_event, Event(kind="challenged", requirement=requirement))
    if call.unreplayable is not None:
        raise UnreplayableBody(f"The API asks for a confirmation, but {call.unreplayable}", response=response)
    session.pins.metadata_url(asked.challenge, response)  # an untrusted one ends the call before anybody is asked
    known = session.tokens.find(requirement, call.url, progress.caller.login)
    if known is not None and known not in progress.tried:
        return known
    if any(requirement.asks == earlier.asks for earlier in progress.asked):
        raise session.unsatisfied(asked, progress.fresh)
    if len(progress.asked) == MOST_CEREMONIES:
        raise StepUpUnsatisfied(f"The API asks for one thing after another, now for {requirement}", response=response)
    return (yield from _elevated(session, call, asked, progress))


def _elevated(
    session: Session, call: Call, asked: Asked, progress: _Progress
) -> Generator[Wait, Incoming | ElevatedToken, ElevatedToken]:
    before = session.refusals.of(call.name) if call.is_retry else None
    if before is not None:
        raise before.for_caller(asked.response) from before.__cause__
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
    session.refusals.forget(call.name)
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
