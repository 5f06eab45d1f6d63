"""A demand to step up: the record."""

from dataclasses import dataclass

from upstile.client._exchange import Incoming
from upstile.client.flow._elevation import Elevation
from upstile.client.flow.tokens._logins import Caller, ElevatedToken, Token
from upstile.protocol import Requirement, StepUpChallenge


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A demand to step up, from a challenge or from the app itself.

    Attributes:
        requirement: what is asked.
        url: the URL of the call that it is for.
        challenge, response: where it came from, if an API sent it.
        since: when the call set out, by the monotonic clock.
        caller: the base token of the call, and whose call it is.
        refused: the tokens that were not enough; another one is wanted.
        within: the block of calls that it is for.
        instead: the one that was asked for ahead, for another resource than the API names.
        blocks: whether the caller's thread stands still meanwhile.
    """

    requirement: Requirement
    url: str
    since: float
    caller: Caller
    challenge: StepUpChallenge | None = None
    response: Incoming | None = None
    refused: tuple[Token | None, ...] = ()
    within: Elevation | None = None
    instead: ElevatedToken | None = None
    blocks: bool = False
