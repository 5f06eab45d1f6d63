"""What the person has confirmed, as an app may show it."""

from dataclasses import dataclass

from upstile.client.flow._session import Session
from upstile.client.flow.tokens._logins import Caller, ElevatedToken
from upstile.protocol import Requirement


@dataclass(frozen=True, kw_only=True, slots=True)
class Confirmation:
    """One confirmation that calls go by, so that nobody is asked for the same again.

    Attributes:
        acr: what was reached; where the server did not say it, what was asked.
        scope: what it allows besides.
        confirmed_at: epoch seconds at which the person was there, where the server said so.
        expires: epoch seconds after which they are asked again.
    """

    acr: tuple[str, ...]
    scope: frozenset[str]
    confirmed_at: float | None
    expires: float


def confirmations(session: Session, caller: Caller, requirement: Requirement | None) -> tuple[Confirmation, ...]:
    """Those of one caller that are good now; with a requirement, those that would do for it."""
    tick = session.monotonic()
    held = session.tokens.elevated.live(caller.login)
    wall = session.clock() - tick
    return tuple(_shown(token, wall) for token in held if requirement is None or token.satisfies(requirement, tick))


def _shown(token: ElevatedToken, wall: float) -> Confirmation:
    return Confirmation(
        acr=token.requirement.acr if token.acr is None else (token.acr,),
        scope=token.scope,
        confirmed_at=None if token.proved_at is None else token.proved_at + wall,
        expires=token.expires_at + wall,
    )
