"""A sign-in whose token has expired is renewed by its refresh token: once, however many calls and processes wait.

The store's lock is held over the request and the entry is read again inside it, so that no refresh token is used twice
(RFC 9700 §4.14.2: a server takes that for theft). The new one is kept before it is used.
"""

from threading import Event
from typing import TYPE_CHECKING

from upstile.client._errors import CeremonyFailed, SignInExpired, UnreplayableBody
from upstile.client._exchange import Incoming
from upstile.client.flow._call import Call
from upstile.client.flow._flight import Ticket
from upstile.client.flow._session import Session
from upstile.client.flow.tokens._logins import BaseToken, Caller, Token
from upstile.client.words import said

if TYPE_CHECKING:
    from upstile.protocol import TokenResponse


def may_be_renewed(session: Session, call: Call, token: Token | None, caller: Caller, response: Incoming) -> bool:
    """Whether a call was refused because the token of its sign-in is dead, and that can be renewed."""
    if not isinstance(token, BaseToken) or not session.tokens.can_renew(caller.login):
        return False
    return session.pins.is_dead(response, call.method, call.url)


def renewal(session: Session, caller: Caller, since: float) -> Ticket[Caller]:
    """Join the renewal of a caller's sign-in, or begin it; nobody is asked.

    Args:
        since: when the call set out, by the monotonic clock.
    """
    return session.renewals.join(caller.login, since, lambda flight: _renew(session, caller))


def ends_within(session: Session, caller: Caller, seconds: float) -> bool:
    """Whether the token of a caller's sign-in is good for less than so long, and can be renewed."""
    stored = session.tokens.stored
    if stored is None or stored.expires_at is None or not session.tokens.can_renew(caller.login):
        return False
    return stored.expires_at - session.clock() < seconds


def renewed(session: Session, caller: Caller) -> Caller:
    """The caller with a new token, in this thread.

    Raises:
        SignInExpired: the sign-in is lost.
        CeremonyFailed: its issuer did not answer as it should.
    """
    return _renew(session, caller)


def check_repeatable(call: Call, response: Incoming) -> None:
    """A call whose body is used up goes out no more, though the next one will.

    Raises:
        UnreplayableBody: it cannot be repeated.
    """
    if call.unreplayable is not None:
        raise UnreplayableBody(**said("renewed-unreplayable", why=call.unreplayable), response=response)


def _renew(session: Session, caller: Caller) -> Caller:
    refusals: list[CeremonyFailed] = []

    def refresh(refresh_token: str, resource: str | None) -> "TokenResponse | None":
        try:
            return _refreshed(session, caller, refresh_token, resource)
        except CeremonyFailed as error:
            if error.error != "invalid_grant":
                raise
            refusals.append(error)
            return None

    renewed = session.tokens.renew(caller, refresh)
    if renewed is None:
        why = refusals[0].hint if refusals else "another process of this app has found that"
        raise SignInExpired(**said("sign-in-lost", why=why))
    return renewed


def _refreshed(session: Session, caller: Caller, refresh_token: str, resource: str | None) -> "TokenResponse":
    from upstile.client.authority._authority import Authority, read_reply
    from upstile.client.authority._discovery import named
    from upstile.protocol import TokenResponse

    clocks = session.clock, session.monotonic
    proves = caller.base is not None and caller.base.token_type.lower() == "dpop"
    # Never cancelled: what the server has answered must be kept, whoever waits.
    authority = Authority(session.transport, caller.key, *clocks, Event(), session.server_time, proves=proves)
    form = {
        "grant_type": "refresh_token",
        "refresh_token": refresh_token,
        "client_id": session.client_id,
        "resource": resource,
    }
    url = named(session.sign_in_at.server().token_endpoint)
    return read_reply(TokenResponse, authority.post(url, form, repeatable=False))
