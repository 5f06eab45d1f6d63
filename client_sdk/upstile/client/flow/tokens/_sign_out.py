"""Signing out: the server is told (RFC 7009), and this machine forgets, whether or not the server could be told."""

from threading import Event
from typing import TYPE_CHECKING

from upstile.client._errors import CeremonyFailed, StepUpError, StoreError
from upstile.client.flow._session import Session
from upstile.client.flow.tokens._logins import Caller
from upstile.client.words import said
from upstile.protocol import serialize_form

if TYPE_CHECKING:
    from upstile.client.authority._authority import Authority
    from upstile.protocol import ServerMetadata


def sign_out(session: Session, *, forget: bool) -> str | None:
    """End the sign-in of a client.

    Args:
        forget: remove the key and whatever else is stored, too, also what cannot be read.

    Returns:
        Where the person ends the session of their browser at an identity provider (OpenID Connect RP-Initiated Logout
        §2); `None` where there is none, or nobody was signed in.

    Raises:
        ConfigurationError: the sign-in is the app's own (`token=`).
        StoreError: the store cannot be read or written.
        CeremonyFailed: nobody is signed in here any more, but the server could not be told.
    """
    try:
        caller = session.tokens.leaving()
    except StoreError:
        if not forget:
            raise
        caller = None
    untold, elsewhere = None, None
    try:
        if caller is not None:
            elsewhere = _revoke(session, caller)
    except StepUpError as error:
        untold = error
    session.close()
    session.tokens.sign_out(forget=forget)
    if untold is not None:
        raise CeremonyFailed(**said("signed-out-untold", why=untold), response=untold.response) from untold
    return elsewhere


def _revoke(session: Session, caller: Caller) -> str | None:
    """Have the base token revoked; the end of a base login is the end of all that stems from it.

    Where there is a refresh token, that one: the access tokens of its grant end with it (RFC 7009 §2.1). Returns where
    the session of the browser is ended.
    """
    from upstile.client.authority._authority import Authority

    authority = Authority(session.transport, caller.key, session.clock, session.monotonic, Event(), session.server_time)
    try:
        return _revoke_sign_in(session, caller, authority)
    finally:
        if session.sign_in_at is not session.discovery:
            _give_back(session, caller, authority)


def _revoke_sign_in(session: Session, caller: Caller, authority: "Authority") -> str | None:
    server, stored = session.sign_in_at.server(), session.tokens.stored
    refresh_token = None if stored is None else stored.refresh_token
    elsewhere = _end_of_session(server, session)
    if server.revocation_endpoint is None or caller.base is None:
        return elsewhere
    hint = "access_token" if refresh_token is None else "refresh_token"
    token = refresh_token or caller.base.access_token
    form = {"token": token, "token_type_hint": hint, "client_id": session.client_id}
    authority.post(server.revocation_endpoint, form, repeatable=False)
    return elsewhere


def _give_back(session: Session, caller: Caller, authority: "Authority") -> None:
    """Have the tokens revoked that were confirmed elsewhere than the sign-in, which does not end them."""
    endpoint = session.discovery.server().revocation_endpoint
    for token in session.tokens.elevated.live(caller.login) if endpoint is not None else ():
        form = {"token": token.access_token, "token_type_hint": "access_token", "client_id": session.client_id}
        authority.post(endpoint or "", form, repeatable=False)


def _end_of_session(server: "ServerMetadata", session: Session) -> str | None:
    if server.end_session_endpoint is None:
        return None
    return f"{server.end_session_endpoint}?{serialize_form({'client_id': session.client_id}).decode()}"
