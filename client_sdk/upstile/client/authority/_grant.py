"""What a ceremony ends in: the code is redeemed, and the token must be what was asked for, as far as anybody says."""

from collections.abc import Mapping

from upstile.client._errors import StepUpUnsatisfied, server_time
from upstile.client.authority._authority import Authority, read_reply
from upstile.client.flow.tokens._logins import Granted
from upstile.client.words import said
from upstile.protocol import Requirement, TokenResponse

FRESH_ENOUGH = 60
"""Seconds that `auth_time` of a new token may always lie back, however small `max_age` is."""
MOST_AHEAD = 60
"""Seconds that it may lie in the future."""
MOST_CORRECTED = 900
"""Seconds by which the clock of this machine may be wrong; beyond it, the `Date` is."""


def redeem(authority: Authority, url: str, form: Mapping[str, str | int | None]) -> tuple[TokenResponse, float | None]:
    """Exchange an authorization code for its token (RFC 6749 §4.1.3). A token request is never sent again.

    Args:
        authority: the authorization server.
        url: its token endpoint.
        form: the code, its verifier, and what else the request says besides its grant type.

    Returns:
        The response, and what its `Date` says.
    """
    reply = authority.post(url, {"grant_type": "authorization_code", **form}, repeatable=False)
    return read_reply(TokenResponse, reply), server_time(reply.header("date"))


def granted_in(token: TokenResponse, here: float, there: float | None) -> Granted:
    """What a response grants, by our clock and by what its `Date` says."""
    return Granted(response=token, age=age(token, here, there))


def check_granted(granted: Granted, asked: Requirement) -> None:
    """The token must be what was asked for, as far as the server says (upstile profile §3).

    Raises:
        StepUpUnsatisfied: it is not.
    """
    token, old = granted.response, granted.age
    if asked.acr and token.acr is not None and token.acr not in asked.acr:
        raise StepUpUnsatisfied(**said("another-acr", asked=" or ".join(asked.acr), reached=token.acr))
    if old is not None and old < -MOST_AHEAD:
        raise StepUpUnsatisfied(**said("from-the-future", seconds=round(-old)))
    if asked.max_age is not None and old is not None and old > max(asked.max_age, FRESH_ENOUGH):
        raise StepUpUnsatisfied(**said("too-old", seconds=round(old), max_age=asked.max_age))


def age(token: TokenResponse, here: float, there: float | None) -> float | None:
    """Seconds since the person was there, by our clock or by the server's `Date`, whichever makes the proof fresher.

    One that is too old after all is challenged by the API, which knows better. A proof is in the future where both say
    so. A `Date` far from our clock says nothing.
    """
    if token.auth_time is None:
        return None
    ages = [moment - token.auth_time for moment in moments(here, there)]
    return max(ages) if max(ages) < -MOST_AHEAD else max(0.0, min(ages))


def moments(here: float, there: float | None) -> list[float]:
    """What the time may be: by our clock and, where it is near enough, by the server's `Date`."""
    return [here] if there is None or abs(there - here) > MOST_CORRECTED else [here, there]
