"""One call, from the first try to the repeat: a generator that knows no HTTP library.

It yields what has to be done, and an adapter does it: `Send` a request with these headers, `Wait` for a ceremony.

call → 401 challenge → (can it be repeated? is a token here already?) → ceremony → repeat

A route may ask for one thing at its guard and for another in its handler, so a call may have two ceremonies, for two
different things. The same challenge in answer to the token that it led to is the end.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import cast

from upstile.client._errors import StepUpError, UnreplayableBody, UntrustedChallenge
from upstile.client._events import Event, report
from upstile.client._exchange import Incoming
from upstile.client._flight import Ticket
from upstile.client._session import Asked, Session
from upstile.client._tokens import ElevatedToken, Token
from upstile.protocol import Requirement

MOST_CEREMONIES = 2
"""For one call: its guard and its handler may ask for different things."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """The call of an app.

    Attributes:
        method, url: of the request.
        unreplayable: why the body cannot be sent twice, or `None` if it can.
        step_up: what the app asks ahead.
    """

    method: str
    url: str
    unreplayable: str | None = None
    step_up: Requirement | None = None


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
    """What happened to a call so far.

    Attributes:
        began: when it set out, by the monotonic clock.
        tried: the tokens that it was sent with.
        asked: what ceremonies were held for it.
    """

    began: float
    tried: list[Token | None] = field(default_factory=list["Token | None"])
    asked: list[Requirement] = field(default_factory=list[Requirement])


def flow(session: Session, call: Call) -> Flow:
    """Drive one call. The last response that was sent in is the call's own.

    Raises:
        StepUpError: the call needs more than could be had.
    """
    if not session.pins.is_api(call.url):
        if call.step_up is not None:
            raise UntrustedChallenge(f"A step-up for {call.url} is not this client's to ask: it is another API")
        yield Send(headers=())  # another origin gets no token, and its challenges do not count
        return
    progress = _Progress(began=session.monotonic())
    response = yield from _first(session, call, progress)
    while (challenge := session.pins.challenge_in(response, call.method, call.url)) is not None:
        asked = Asked(
            requirement=challenge.requirement,
            url=call.url,
            since=progress.began,
            challenge=challenge,
            response=response,
            refused=progress.tried[-1],
        )
        token = yield from _stronger(session, call, asked, progress)
        response = yield from _sent(session, call, token, progress)
    if progress.asked:
        report(session.on_event, Event(kind="repeated", requirement=progress.asked[-1]))


def _first(
    session: Session, call: Call, progress: _Progress
) -> Generator[Send | Wait, Incoming | ElevatedToken, Incoming]:
    """The call as it goes out first: with a token that an earlier one has taught, or that the app asks for ahead."""
    token = session.tokens.for_call(call.method, call.url)
    if call.step_up is not None:
        token = session.tokens.find(call.step_up, call.url)
        if token is None:
            progress.asked.append(call.step_up)
            ahead = Asked(requirement=call.step_up, url=call.url, since=progress.began)
            token = yield from _elevated(session, ahead)
    response = yield from _sent(session, call, token, progress)
    if session.pins.is_dead(response, call.method, call.url) and isinstance(token, ElevatedToken):
        session.tokens.drop(token)  # revoked, or expired sooner than it said; the call was not carried out
        if call.unreplayable is None and not token.requirement.for_this_call:
            response = yield from _sent(session, call, session.tokens.base(), progress)
    session.check_clock(response)
    return response


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
    known = session.tokens.find(requirement, call.url)
    if known is not None and known not in progress.tried:
        return known
    if any(requirement.asks == earlier.asks for earlier in progress.asked) or len(progress.asked) == MOST_CEREMONIES:
        raise session.unsatisfied(asked)
    progress.asked.append(requirement)
    return (yield from _elevated(session, asked))


def _elevated(session: Session, asked: Asked) -> Generator[Wait, Incoming | ElevatedToken, ElevatedToken]:
    ticket = session.step_up(asked)
    try:
        token = yield Wait(ticket=ticket)
    except StepUpError as error:
        error.response = error.response or asked.response
        raise
    finally:
        ticket.give_back()
    return cast(ElevatedToken, token)  # what an adapter answers a Wait with


def _sent(
    session: Session, call: Call, token: Token | None, progress: _Progress
) -> Generator[Send, Incoming | ElevatedToken, Incoming]:
    once = isinstance(token, ElevatedToken) and token.requirement.for_this_call
    repeat = bool(progress.tried)
    progress.tried.append(token)
    nonce = session.key.nonce(call.url)
    response = cast(Incoming, (yield Send(headers=_headers(session, call, token), repeat=repeat, once=once)))
    session.key.learn(response)
    demanded = session.pins.wants_nonce(response, call.method, call.url)
    if demanded and session.key.nonce(call.url) != nonce and call.unreplayable is None:
        response = cast(Incoming, (yield Send(headers=_headers(session, call, token), repeat=True, once=once)))
        session.key.learn(response)
    return response


def _headers(session: Session, call: Call, token: Token | None) -> tuple[tuple[str, str], ...]:
    if token is None:
        return ()
    if token.token_type.lower() == "bearer":
        return (("Authorization", f"Bearer {token.access_token}"),)
    proof = session.key.proof(call.method, call.url, token.access_token)
    return (("Authorization", f"DPoP {token.access_token}"), ("DPoP", proof))
