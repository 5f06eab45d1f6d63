"""A refused call, as an event."""

from upstile.server._errors import Rejection
from upstile.server.audit._event import SecurityEvent
from upstile.server.audit._kinds import EventKind
from upstile.server.storage import User

_CHALLENGES = frozenset({"insufficient_user_authentication", "insufficient_authorization", "token-used"})
"""What asks the person for something: rows 4 and 5 of the upstile profile §1."""
_UNPROVEN = frozenset({"invalid_token", "invalid_dpop_proof"})
"""Where nobody showed that they are who the request says: it may be a recorded one."""


def refused_call(
    rejection: Rejection,
    at: float,
    otherwise: EventKind = "call-refused",
    *,
    route: str | None = None,
    address: str | None = None,
) -> SecurityEvent:
    """What is told of a refused call.

    Args:
        rejection: the refusal.
        at: epoch seconds.
        otherwise: the kind of a refusal that asks the person for nothing.
        route: the template of the route.
        address: where the call came from, masked.
    """
    said = rejection.refused
    user = None if said.issuer is None or said.subject is None else User(said.issuer, said.subject)
    return SecurityEvent(
        kind="challenged" if rejection.code in _CHALLENGES else otherwise,
        user=user,
        at=at,
        client_id=said.client_id,
        instance=said.instance,
        route=route,
        requirement=said.requirement,
        address=address,
        reason=rejection.code,
        detail=said.detail,
        verified=said.verified or (user is None and rejection.code not in _UNPROVEN),
    )
