"""A call under way whose token was verified."""

from collections.abc import Callable
from dataclasses import dataclass

from upstile.protocol import DPoPProof
from upstile.server._http import HttpRequest
from upstile.server.resource.tokens._access_token import AccessToken


def yes() -> bool:
    """Some requirement of the call asks for an authentication for this very call."""
    return True


def _no() -> bool:
    return False


@dataclass(slots=True)
class GuardedCall:
    """A call whose token was verified, with what later requirements on the same call need to know.

    Attributes:
        token: what the token says.
        scheme: `bearer` or `dpop`; challenges answer in the same scheme.
        asks_once: whether any requirement of the call asks for an authentication for this very call.
        consumed: the single-use token was used up for this call already.
        served: it has met a requirement for this very call.
        proof: a verified proof that the first guard of the call has to use up in the deployment's store.
        opened_by: the handshake of a connection that stays open: its token is verified anew when it is looked at again.
    """

    token: AccessToken
    scheme: str
    asks_once: Callable[[], bool] = _no
    consumed: bool = False
    served: bool = False
    proof: DPoPProof | None = None
    opened_by: HttpRequest | None = None
