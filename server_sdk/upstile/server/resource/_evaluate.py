"""The decision whether a verified token meets a requirement: pure, no clock, no I/O (upstile profile §1, §4).

This is the only place that decides that an authentication is too weak or too old.
"""

from dataclasses import dataclass
from enum import StrEnum

from upstile.protocol import Requirement
from upstile.server.resource._issuer import Issuer
from upstile.server.resource.tokens._access_token import AccessToken

FUTURE_LEEWAY = 60
"""Seconds by which `auth_time` may lie ahead of our clock."""
FOR_THIS_CALL = 60
"""Seconds that an authentication of an external issuer counts as "for this very call"."""


class Why(StrEnum):
    """Why a person has to authenticate again."""

    WEAK = "weak"
    EXPIRED = "expired"


class Cause(StrEnum):
    """Why no authentication would help."""

    SCOPE = "insufficient_scope"
    ACR_NOT_OFFERED = "acr-not-offered"
    SINGLE_USE = "single-use"
    RESET = "recently-reset"


@dataclass(frozen=True, kw_only=True, slots=True)
class Satisfied:
    """The token suffices; `consumes` says that it has to be used up for this call."""

    consumes: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Challenge:
    """A stronger or fresher authentication is needed; `scope_missing` says that scope is, too."""

    why: Why
    scope_missing: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Unmet:
    """The token does not suffice and a ceremony would not change that."""

    cause: Cause


_SATISFIED = (Satisfied(consumes=False), Satisfied(consumes=True))


def evaluate(
    requirement: Requirement, token: AccessToken, *, issuer: Issuer, now: float, once: bool = False
) -> Satisfied | Challenge | Unmet:
    """Judge `token`, issued by `issuer`, at `now` (epoch seconds).

    `once` says that the same call also asks, elsewhere, for an authentication for this very call; a token that serves
    one call passes this requirement, too, then.
    """
    if token.single_use and not _serves_once(requirement, token, once):
        return Unmet(cause=Cause.SINGLE_USE)
    if requirement.settled and (cause := _unsettled(token, issuer, now)) is not None:
        return Unmet(cause=cause)
    scope_missing = not token.scope.issuperset(requirement.scope)
    # Who steps the user up tells of resets, and this token is not theirs: whatever it says, theirs has to be fetched.
    is_silent = requirement.settled and not issuer.tells_resets
    why = Why.WEAK if is_silent else _why(requirement, token, issuer, now)
    if why is None:
        return Unmet(cause=Cause.SCOPE) if scope_missing else _SATISFIED[requirement.max_age == 0]
    if requirement.acr and not issuer.can_satisfy(requirement.acr):
        return Unmet(cause=Cause.ACR_NOT_OFFERED)
    return Challenge(why=why, scope_missing=scope_missing)


def _unsettled(token: AccessToken, issuer: Issuer, now: float) -> Cause | None:
    # First of all: a person who cannot go on before tomorrow is not asked to confirm today.
    if not issuer.tells_resets:
        stepped_up_by = issuer.stepped_up_by
        return None if stepped_up_by is not None and stepped_up_by.tells_resets else Cause.ACR_NOT_OFFERED
    return Cause.RESET if token.settled_at is not None and now < token.settled_at else None


def _serves_once(requirement: Requirement, token: AccessToken, once: bool) -> bool:
    # A token that approves details serves the transaction that has them, never a `max_age=0` route.
    return (requirement.for_this_call or once) and not token.authorization_details


def _why(requirement: Requirement, token: AccessToken, issuer: Issuer, now: float) -> Why | None:
    if requirement.acr and token.acr.isdisjoint(requirement.acr):
        return Why.WEAK
    return None if _fresh(requirement.max_age, token, issuer, now) else Why.EXPIRED


def _fresh(max_age: int | None, token: AccessToken, issuer: Issuer, now: float) -> bool:
    if max_age is None:
        return True
    if token.auth_time is None or token.auth_time > now + FUTURE_LEEWAY:
        return False
    if max_age == 0 and issuer.marks_single_use:
        return token.single_use  # our own server put it there for one call; it serves until it expires
    return now - token.auth_time <= (FOR_THIS_CALL if max_age == 0 else max_age)
