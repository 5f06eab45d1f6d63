"""Signing out: the server is told (RFC 7009), and this machine forgets, whether or not the server could be told."""

from threading import Event

from upstile.client._errors import CeremonyFailed, StepUpError, StoreError
from upstile.client.flow._logins import Caller
from upstile.client.flow._session import Session
from upstile.client.words import said


def sign_out(session: Session, *, forget: bool) -> None:
    """End the sign-in of a client.

    Args:
        forget: remove the key and whatever else is stored, too, also what cannot be read.

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
    untold: StepUpError | None = None
    try:
        if caller is not None:
            _revoke(session, caller)
    except StepUpError as error:
        untold = error
    session.close()
    session.tokens.sign_out(forget=forget)
    if untold is not None:
        raise CeremonyFailed(**said("signed-out-untold", why=untold), response=untold.response) from untold


def _revoke(session: Session, caller: Caller) -> None:
    """Have the base token revoked; the end of a base login is the end of all that stems from it."""
    from upstile.client.authority._authority import Authority

    endpoint = session.discovery.server().revocation_endpoint
    if endpoint is None or caller.base is None:
        return
    form = {"token": caller.base.access_token, "token_type_hint": "access_token", "client_id": session.client_id}
    authority = Authority(session.transport, caller.key, session.clock, session.monotonic, Event(), session.server_time)
    authority.post(endpoint, form, repeatable=False)
