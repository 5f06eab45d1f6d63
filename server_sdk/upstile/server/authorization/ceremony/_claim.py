"""The first transaction of an answer: the session is claimed and the try is counted, before anything is checked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from upstile.server._errors import AuthorizationError
from upstile.server.authorization._possession import Possession
from upstile.server.authorization.ceremony._ceremony import Ceremony
from upstile.server.authorization.ceremony._offers import active_of, open_to
from upstile.server.authorization.ceremony._sessions import Claim, Session
from upstile.server.authorization.ceremony._steps import slow_down, temporarily_locked
from upstile.server.authorization.ceremony._subject import check_login
from upstile.server.authorization.methods import Method
from upstile.server.authorization.user._budgets import TRIES, Charged, Side, charge, lock_of, side_of, whole_seconds
from upstile.server.authorization.user._ends import caught_up
from upstile.server.authorization.user._sends import RESEND_AFTER, sent, wait_to_send
from upstile.server.authorization.user._user_state import UserState
from upstile.server.storage import Account, AuthenticatorRecord, Found, Kept, OneTimeKey


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An answer that was read, and where its records lie.

    Attributes:
        name: the name of its session.
        form, mark: what an identical form is recognised by; what this request is recognised by.
        held: what the user can answer with.
        named: the one authenticator that it is about, where it says so.
        session, user: the keys of what both phases read and write.
        asks_to_send: whether it brings no code and asks for one.
    """

    name: str = field(repr=False)
    form: str
    mark: str
    possession: Possession
    ceremony: Ceremony
    account: Account
    held: tuple[AuthenticatorRecord, ...]
    method: Method
    named: AuthenticatorRecord | None
    response: Any = field(repr=False)
    session: OneTimeKey
    user: OneTimeKey
    asks_to_send: bool = False

    def among(self, records: Sequence[AuthenticatorRecord]) -> tuple[AuthenticatorRecord, ...]:
        """Those of some authenticators that it may be judged against."""
        own = active_of(self.method, records)
        return own if self.named is None else tuple(record for record in own if record.id == self.named.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class Claimed:
    """An answer that one request alone judges, and the state as its claim left it.

    Attributes:
        tries: answers that were counted against the ceremony, this one included.
        authenticators: those of its method that this side may use.
    """

    claim: Claim
    tries: int
    side: Side
    user: UserState
    authenticators: tuple[AuthenticatorRecord, ...]


def claim(answer: Answer, found: Found, now: float) -> tuple[Kept, Claimed]:
    """Claim the session and count the try against everything that a wrong answer counts against.

    Raises:
        AuthorizationError: nothing is judged, and nothing was counted.
    """
    session = _open_session(answer, found, now)
    user, login = caught_up(UserState.read(found.get(answer.user)), answer.account), answer.ceremony.login
    if answer.ceremony.generation < user.first_proof:
        raise no_session()
    side = side_of(user, answer.possession.jkt, now)
    active = answer.among(open_to(answer.held, user, side))
    before, tries = session.head.claim, session.head.tries
    counted: Kept = {}
    again = before is not None and before.form == answer.form and not answer.asks_to_send  # each one sends
    if before is not None and again:  # the same guess, which nobody is judging any more
        charged = before.charged
        if charged.authenticators:  # and not those that are open now: it may be itself what closed one
            active = tuple(record for record in answer.among(answer.held) if record.id in charged.authenticators)
    else:
        check_login(login, user, side)
        if tries >= TRIES:
            raise temporarily_locked(1)
        if answer.asks_to_send:
            user, charged, counted = _count_send(answer, user, side, now)
        else:
            user, charged, counted = _count(answer, user, side, active, now)
            tries += 1
    counted_at = before.judged_at if again and before is not None else None
    own = Claim(mark=answer.mark, form=answer.form, at=now, charged=charged, counted_at=counted_at)
    claimed = Claimed(claim=own, tries=tries, side=side, user=user, authenticators=active)
    proof = answer.possession.used(found, now)
    return {**proof, **counted, answer.session: session.claimed(own, tries=tries).record()}, claimed


def _count(
    answer: Answer, user: UserState, side: Side, active: tuple[AuthenticatorRecord, ...], now: float
) -> tuple[UserState, Charged, Kept]:
    if not answer.method.traits.guessable:
        return user, Charged(left=TRIES, counted=False), {}
    locked = lock_of(user, side, now)
    if locked is not None:
        raise temporarily_locked(locked)
    user, charged = charge(user, answer.ceremony.login, side, [record.id for record in active], now)
    return user, charged, {answer.user: user.record(now)}


def _count_send(answer: Answer, user: UserState, side: Side, now: float) -> tuple[UserState, Charged, Kept]:
    locked = lock_of(user, side, now)
    if locked is not None:
        raise temporarily_locked(locked)
    soon = answer.ceremony.offered[answer.method.traits.key].get("sent", -inf) + RESEND_AFTER - now
    wait = max(wait_to_send(user, side, now), whole_seconds(soon) if soon > 0 else 0)
    if wait:
        raise slow_down("another code cannot be sent yet", wait)
    user = sent(user, side, now)
    return user, Charged(left=TRIES, counted=False), {answer.user: user.record(now)}


def _open_session(answer: Answer, found: Found, now: float) -> Session:
    session = Session.read(found.get(answer.session), answer.ceremony.client_id, answer.possession.jkt)
    meets = session.meets(answer.form, now) if session is not None else None
    if session is None or meets is None:
        raise no_session()
    if meets != "open":
        raise being_judged()
    return session


def no_session() -> AuthorizationError:
    """No step of this name waits for an answer of this client and key."""
    return AuthorizationError("invalid_session", "this session is not open, or not to you")


def being_judged() -> AuthorizationError:
    """The identical answer came before, and its reply is not there yet."""
    return slow_down("this answer is being judged already", 1)
