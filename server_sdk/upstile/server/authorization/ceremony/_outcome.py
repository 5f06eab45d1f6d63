"""The second transaction of an answer: all that follows from it, or nothing.

A right answer uses up what it proves with, ends the row of wrong answers, and yields a code or the next step; a wrong
one yields the next step or the end. It is written only while the session is still this request's own.
"""

from dataclasses import dataclass

from upstile.server._changed import changed
from upstile.server._http import HttpResponse
from upstile.server.authorization.ceremony._ceremony import Ceremony
from upstile.server.authorization.ceremony._claim import Answer, Claimed, being_judged, no_session
from upstile.server.authorization.ceremony._sessions import Session, seal_reply
from upstile.server.authorization.methods import Verified
from upstile.server.authorization.tokens._codes import has_ended
from upstile.server.authorization.user._budgets import answered, remember_key, succeed
from upstile.server.authorization.user._user_state import UserState
from upstile.server.storage import Found, Kept, Rows, Storage, Use


class UsedBefore(Exception):
    """What the answer proves with was used up by another answer in the meantime."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What an answer led to.

    Attributes:
        reply: what the client is sent.
        kept: the code, or the next step's session.
        ends: whether it ends the ceremony with a code.
    """

    reply: HttpResponse
    kept: Kept
    ends: bool = False


async def write_wrong(
    storage: Storage, answer: Answer, claimed: Claimed, outcome: Outcome, now: float, rows: Rows[object]
) -> None:
    """Close the session of a wrong answer, with rows for the audit table; its try was counted before.

    Raises:
        AuthorizationError: somebody else judges this answer now; nothing was written.
    """
    sealed = seal_reply(answer.name, outcome.reply)

    def decide(found: Found) -> tuple[Kept, None]:
        return {**outcome.kept, **closed(answer, claimed, found, sealed, now)}, None

    await storage.one_time.update_many([answer.session, *outcome.kept], decide, now, rows)


async def write_right(
    storage: Storage,
    answer: Answer,
    claimed: Claimed,
    proved: Ceremony,
    verified: Verified,
    outcome: Outcome,
    now: float,
    rows: Rows[object],
) -> None:
    """Write all that a right answer brings about, with rows for the audit table.

    That is: what it uses up (`Use`: the counter of its authenticator), the session with the sealed reply, the
    authorization code or the next step (`outcome.kept`, made in `_answer.py`), and what is counted for the user.

    Raises:
        AuthorizationError: somebody else judges this answer now, or the user's sign-ins or proofs were ended.
        UsedBefore: the same code was accepted elsewhere in the meantime.
    """
    sealed = seal_reply(answer.name, outcome.reply)
    authenticator = verified.authenticator.id

    def decide(found: Found, first: bool) -> tuple[Kept, None]:
        if not first:
            raise UsedBefore
        ended = closed(answer, claimed, found, sealed, now)
        user = UserState.read(found.get(answer.user))
        if has_ended(proved, user):
            raise no_session()
        after = _user_after(answer, claimed, user, proved, authenticator, outcome, now)
        return {**outcome.kept, **after, **ended}, None

    keys = [answer.session, answer.user, *outcome.kept]
    if not answer.method.traits.enrolled:  # nothing is stored of it that could be used up
        await storage.one_time.update_many(keys, lambda found: decide(found, True), now, rows)
        return
    use = Use(
        user=answer.account.user,
        id=authenticator,
        counter=verified.counter,
        back_from=verified.back_from,
        data=verified.data,
        at=int(now),
    )
    await storage.settle(use, keys, decide, now, rows)


def after_right(
    answer: Answer, claimed: Claimed, user: UserState, proved: Ceremony, authenticator: str, now: float
) -> UserState:
    """What is counted for a user after a right answer; only a success ends rows of wrong ones."""
    judge = succeed if is_success(answer) else answered
    return judge(user, proved.login, claimed.side, authenticator, claimed.claim.charged, now)


def is_success(answer: Answer) -> bool:
    """Whether a right answer of this kind is one (upstile profile §7).

    A weak method that is enrolled is one while nothing else is enrolled, for then there is nothing else to guess at.
    """
    traits = answer.method.traits
    others = (record for record in answer.account.authenticators if record.state != "pending")
    return traits.trusted or (traits.enrolled and all(record.method == traits.key for record in others))


def with_proof_of(answer: Answer, verified: Verified, at: float) -> Ceremony:
    """The ceremony with one more proof; what the proof used up is not remembered."""
    enrolled = answer.method.traits.enrolled
    proved = answer.ceremony.with_proof(verified.proof, at, verified.authenticator.id if enrolled else None)
    offered = {key: state for key, state in proved.offered.items() if key != answer.method.traits.key}
    return changed(proved, succeeded=proved.succeeded or is_success(answer), offered=offered)


def _user_after(
    answer: Answer,
    claimed: Claimed,
    user: UserState,
    proved: Ceremony,
    authenticator: str,
    outcome: Outcome,
    now: float,
) -> Kept:
    """The rows of wrong answers end, and with a code the key is known."""
    after = after_right(answer, claimed, user, proved, authenticator, now)
    if outcome.ends and proved.succeeded:
        after = remember_key(after, proved.jkt, proved.authenticators, now)
    elif after == user:
        return {}
    return {answer.user: after.record(now)}


def closed(answer: Answer, claimed: Claimed, found: Found, sealed: bytes, now: float) -> Kept:
    """The session with the sealed reply. Raises `AuthorizationError` where somebody else judges this answer now."""
    session = Session.read(found.get(answer.session), answer.ceremony.client_id, answer.possession.jkt)
    if session is None or not session.belongs_to(claimed.claim):
        raise being_judged()
    return {answer.session: session.closed(sealed, now).record()}
