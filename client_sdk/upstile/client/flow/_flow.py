"""One call, from the first try to the repeat: a generator that knows no HTTP library.

It yields what has to be done, and an adapter does it: `Send` a request with these headers, `Wait` for a ceremony.

call → 401 challenge → (can it be repeated? is a token here already?) → ceremony → repeat

A route may ask for one thing at its guard and for another in its handler, so a call may have two ceremonies, for two
different things. The same challenge in answer to the token that it led to is the end.
"""

from collections.abc import Generator
from dataclasses import replace
from typing import cast

from upstile.client._errors import (
    StepUpError,
    StepUpUnsatisfied,
    UntrustedChallenge,
)
from upstile.client._events import Event, report
from upstile.client._exchange import Incoming
from upstile.client.flow._asked import Asked
from upstile.client.flow._call import Answer, Call, Flow, Send, Wait
from upstile.client.flow._session import Session
from upstile.client.flow._verdict import (
    Progress,
    check_honoured,
    check_replayable,
    check_signed_in,
    check_whole,
    is_elsewhere,
    may_be_replaced,
)
from upstile.client.flow.tokens._logins import Caller, ElevatedToken, Token
from upstile.client.flow.tokens._proof_key import ProofKey
from upstile.client.flow.tokens._renewal import check_repeatable, may_be_renewed, renewal
from upstile.client.words import said
from upstile.protocol import Requirement, StepUpChallenge, resource_covers

MOST_CEREMONIES = 2
"""For one call: its guard and its handler may ask for different things."""


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
            raise UntrustedChallenge(**said("other-api", url=call.url))
        yield Send(headers=())  # another origin gets no token, and its challenges do not count
        return
    progress = Progress(began=session.monotonic() if call.began is None else call.began, caller=call.caller)
    token, asked = (yield from _first(session, call, progress)), None
    while True:
        response = yield from _sent(session, call, token, progress)
        check_whole(session, call, response)
        elsewhere = is_elsewhere(session, call, progress, response)
        if elsewhere is None:
            check_honoured(session, call, token, progress, response)
        challenge = session.pins.challenge_in(response, call.method, call.url)
        if challenge is not None:
            asked = _asked(call, progress, challenge, response, instead=elsewhere)
            token = yield from _stronger(session, call, asked, progress)
        elif elsewhere is not None:
            check_replayable(call, response)
            token = yield from _elevated(session, call, _ahead(call, progress, response, elsewhere), progress)
        elif not progress.renewed and may_be_renewed(session, call, token, progress.caller, response):
            token = yield from _renewed(session, call, progress, response)
        elif not may_be_replaced(session, call, token, progress, response):
            break
        else:
            token = yield from _replaced(session, call, asked, progress)
    check_signed_in(session, call, token, response)
    _has_ended(session, token, asked, progress, response)


def _first(session: Session, call: Call, progress: Progress) -> Generator[Wait, Answer, Token | None]:
    """The token that goes first: one that an earlier call has taught, or that the app asks for ahead."""
    if call.began is not None and not progress.tried:
        return progress.caller.base
    asked = _ahead(call, progress)
    if call.step_up is None and call.within is None:
        learned = session.learned.asked(call.method, call.url)
        known = None if learned is None else session.at_hand(replace(asked, requirement=learned))
        return known or progress.caller.base
    if call.within is not None:
        call.within.check(progress.caller.login)
    return session.at_hand(asked) or (yield from _elevated(session, call, asked, progress))


def _renewed(
    session: Session, call: Call, progress: Progress, response: Incoming
) -> Generator[Wait, Answer, Token | None]:
    """The new token of the sign-in instead of its dead one."""
    progress.renewed = True
    ticket = renewal(session, progress.caller, progress.began)
    try:
        progress.caller = cast(Caller, (yield Wait(ticket=ticket)))  # what an adapter answers this Wait with
    except StepUpError as error:
        raise error.for_caller(response) from error.__cause__
    finally:
        ticket.give_back()
    check_repeatable(call, response)
    return progress.caller.base


def _has_ended(
    session: Session, token: Token | None, asked: Asked | None, progress: Progress, response: Incoming
) -> None:
    """Remember what served the call, and tell the app's hook."""
    if isinstance(token, ElevatedToken) and response.status != 401:
        for sought in filter(None, (asked, progress.sought)):
            session.served(sought)
    if progress.asked:
        report(session.on_event, Event(kind="repeated", requirement=progress.asked[-1]))


def _replaced(
    session: Session, call: Call, asked: Asked | None, progress: Progress
) -> Generator[Wait, Answer, Token | None]:
    """What goes instead of a dead token: the call begins again, or its challenge is answered again."""
    again = _first(session, call, progress) if asked is None else _stronger(session, call, asked, progress)
    return (yield from again)


def _asked(
    call: Call,
    progress: Progress,
    challenge: StepUpChallenge,
    response: Incoming,
    *,
    instead: ElevatedToken | None,
) -> Asked:
    """What a challenge asks."""
    asked = _ahead(call, progress, response, instead)
    return replace(asked, requirement=challenge.requirement, challenge=challenge)


def _ahead(
    call: Call, progress: Progress, response: Incoming | None = None, instead: ElevatedToken | None = None
) -> Asked:
    """What the app asks ahead."""
    return Asked(
        requirement=call.step_up or (call.within.requirement if call.within else Requirement()),
        url=call.url,
        since=progress.began,
        caller=progress.caller,
        response=response,
        refused=tuple(progress.tried),
        within=call.within,
        instead=instead,
        blocks=call.blocks,
    )


def _stronger(session: Session, call: Call, asked: Asked, progress: Progress) -> Generator[Wait, Answer, ElevatedToken]:
    """Another token for the call: one that is here already, or one that the person confirms."""
    requirement, response = asked.requirement, asked.response
    session.learned.challenge(call.method, call.url, requirement)
    report(session.on_event, Event(kind="challenged", requirement=requirement))
    check_replayable(call, response)
    session.pins.metadata_url(asked.challenge, response)  # an untrusted one ends the call before anybody is asked
    known = session.at_hand(asked)
    if known is not None:
        return known
    if asked.instead is None and any(requirement.asks == earlier.asks for earlier in progress.asked):
        raise session.unsatisfied(asked, progress.fresh, response)
    if len(progress.asked) == MOST_CEREMONIES:
        raise StepUpUnsatisfied(**said("one-after-another", asked=requirement), response=response)
    return (yield from _elevated(session, call, asked, progress))


def _elevated(session: Session, call: Call, asked: Asked, progress: Progress) -> Generator[Wait, Answer, ElevatedToken]:
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
        words = said("token-elsewhere", resource=token.resource, url=asked.url)
        raise UntrustedChallenge(**words, response=asked.response)
    if asked.within is not None:
        asked.within.renew(token, session.monotonic())
    progress.fresh = token
    session.refusals.forget(call.name)
    return token


def _sent(session: Session, call: Call, token: Token | None, progress: Progress) -> Generator[Send, Answer, Incoming]:
    key, time, seen = cast(Caller, call.caller).key, session.api_time, (call.method, call.url)
    nonce, by = key.nonce(call.url), time.ahead(call.url)
    response = yield from _send(session, call, token, progress, by)
    demanded = session.pins.wants_nonce(response, *seen) and key.nonce(call.url) != nonce
    if demanded and call.unreplayable is None:
        return (yield from _send(session, call, token, progress, by))
    if not session.pins.refuses_proof(response, *seen):
        return response
    for ahead in time.after_refusal(response, by):
        if call.unreplayable is not None:
            time.proved(call.url, ahead)  # the next call will tell
            break
        response = yield from _send(session, call, token, progress, ahead)
        if not session.pins.refuses_proof(response, *seen):
            time.proved(call.url, ahead)
            break
    return response


def _send(
    session: Session, call: Call, token: Token | None, progress: Progress, ahead: float
) -> Generator[Send, Answer, Incoming]:
    """Send the call once, with a proof that is so far ahead of our clock, and learn from what comes back."""
    key, seen = cast(Caller, call.caller).key, (call.method, call.url)
    once = isinstance(token, ElevatedToken) and token.requirement.for_this_call
    headers = _headers(key, call, token, session.api_time.at(ahead))
    repeat = bool(progress.tried)
    progress.tried.append(token)
    response = cast(Incoming, (yield Send(headers=headers, repeat=repeat, once=once)))
    if session.pins.answers(response, *seen):
        key.learn(response)
        if not session.pins.refuses_proof(response, *seen):
            session.api_time.hear(response)
    return response


def _headers(key: ProofKey, call: Call, token: Token | None, now: float) -> tuple[tuple[str, str], ...]:
    if token is None:
        return ()
    if token.token_type.lower() == "bearer":
        return (("Authorization", f"Bearer {token.access_token}"),)
    proof = key.proof(call.method, call.url, token.access_token, now=now)
    return (("Authorization", f"DPoP {token.access_token}"), ("DPoP", proof))
