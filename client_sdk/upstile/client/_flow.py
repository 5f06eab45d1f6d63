"""One call, from the first try to the repeat: a generator that knows no HTTP library.

It yields what has to be done, and an adapter does it: `Send` a request with these headers, `Wait` for a ceremony.

call → 401 challenge → (can it be repeated? is a token here already?) → ceremony → repeat
"""

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import cast

from upstile.client._errors import UnreplayableBody
from upstile.client._events import Event, report
from upstile.client._exchange import Incoming
from upstile.client._flight import Ticket
from upstile.client._session import Asked, Session
from upstile.client._tokens import ElevatedToken, Token
from upstile.client._trust import wants_nonce
from upstile.protocol import Requirement, StepUpChallenge


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

    headers: tuple[tuple[str, str], ...]
    repeat: bool = False
    once: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Wait for this ceremony; answer with its token, or throw its error."""

    ticket: Ticket[ElevatedToken]


Flow = Generator[Send | Wait, Incoming | ElevatedToken, None]


def flow(session: Session, call: Call) -> Flow:
    """Drive one call. The last response that was sent in is the call's own.

    Raises:
        StepUpError: the call needs more than could be had.
    """
    if not session.pins.is_api(call.url):
        yield Send(headers=())  # another origin gets no token, and its challenges do not count
        return
    began = session.monotonic()
    token, ahead = session.tokens.for_call(call.method, call.url), None
    if call.step_up is not None:
        token = session.tokens.find(call.step_up)
        if token is None:
            ahead = call.step_up
            token = yield from _elevated(session, Asked(requirement=ahead, url=call.url, since=began))
    response = yield from _sent(session, call, token, repeat=False)
    challenge = session.pins.challenge_in(response, call.url)
    if challenge is None:
        return
    asked = Asked(
        requirement=challenge.requirement,
        url=call.url,
        since=began,
        challenge=challenge,
        response=response,
        refused=token,
    )
    if ahead is not None:  # this call has had its one ceremony
        raise session.not_enough(asked, ahead)
    yield from _answer(session, call, token, challenge, asked)


def _answer(session: Session, call: Call, token: Token | None, challenge: StepUpChallenge, asked: Asked) -> Flow:
    """Step up and repeat, once."""
    requirement, response = asked.requirement, asked.response
    session.tokens.learn(call.method, call.url, requirement)
    report(session.on_event, Event(kind="challenged", requirement=requirement))
    if call.unreplayable is not None:
        raise UnreplayableBody(f"The API asks for a confirmation, but {call.unreplayable}", response=response)
    session.pins.metadata_url(challenge, response)  # an untrusted one ends the call before anybody is asked
    known = session.tokens.find(requirement)
    if known is not None and known is not token:
        response = yield from _sent(session, call, known, repeat=True)
        if session.pins.challenge_in(response, call.url) is None:
            return
        asked = replace(asked, response=response, refused=known)
    fresh = yield from _elevated(session, asked)
    response = yield from _sent(session, call, fresh, repeat=True)
    if session.pins.challenge_in(response, call.url) is not None:
        session.tokens.drop(fresh)
        raise session.unsatisfied(asked, response)
    report(session.on_event, Event(kind="repeated", requirement=requirement))


def _elevated(session: Session, asked: Asked) -> Generator[Wait, Incoming | ElevatedToken, ElevatedToken]:
    ticket = session.step_up(asked)
    try:
        token = yield Wait(ticket=ticket)
    finally:
        ticket.give_back()
    return cast(ElevatedToken, token)  # what an adapter answers a Wait with


def _sent(
    session: Session, call: Call, token: Token | None, *, repeat: bool
) -> Generator[Send, Incoming | ElevatedToken, Incoming]:
    once = isinstance(token, ElevatedToken) and token.requirement.for_this_call
    response = cast(Incoming, (yield Send(headers=_headers(session, call, token), repeat=repeat, once=once)))
    if session.key.learn(response) and wants_nonce(response) and call.unreplayable is None:
        response = cast(Incoming, (yield Send(headers=_headers(session, call, token), repeat=True, once=once)))
    return response


def _headers(session: Session, call: Call, token: Token | None) -> tuple[tuple[str, str], ...]:
    if token is None:
        return ()
    if token.token_type.lower() == "bearer":
        return (("Authorization", f"Bearer {token.access_token}"),)
    proof = session.key.proof(call.method, call.url, token.access_token)
    return (("Authorization", f"DPoP {token.access_token}"), ("DPoP", proof))
