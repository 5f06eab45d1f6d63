"""Token revocation (RFC 7009): an app signs out, or gives an elevated token back."""

from dataclasses import replace

from pydantic import Field

from upstile.protocol import Message
from upstile.server._errors import AuthorizationError
from upstile.server.audit import Events, SecurityEvent, learn
from upstile.server.authorization._budgets import Side, side_of, whole_seconds
from upstile.server.authorization._lives import LONGEST_TOKEN_LIFE
from upstile.server.authorization._logins import BaseLogin
from upstile.server.authorization._response import temporarily_unavailable
from upstile.server.authorization._user_state import UserState
from upstile.server.resource._access_token import AccessToken
from upstile.server.resource._claims import InvalidToken
from upstile.server.resource._jwt import Verifier
from upstile.server.storage import Found, Kept, Names, OneTimeStore, Revocations, User

SIGN_OUTS_WINDOW = 3600
SIGN_OUTS = 60
"""Base logins that are signed out in the window, by unknown keys together, and by each known key."""


class RevocationRequest(Message):
    """The form that revokes a token (RFC 7009 §2.1); the hint changes nothing."""

    token: str = Field(repr=False, max_length=32_768)
    client_id: str = Field(max_length=255)


class Revoker:
    """Revokes tokens of this server.

    Args:
        verifier: for tokens of this server.
        store: tells a base login's own token, whose end is the end of all that stems from it; counts those ends.
        names: makes its keys.
        revocations: where the revoked ones are kept.
        events: is told.
    """

    def __init__(
        self, *, verifier: Verifier, store: OneTimeStore, names: Names, revocations: Revocations, events: Events
    ) -> None:
        self._verifier = verifier
        self._store = store
        self._names = names
        self._revocations = revocations
        self._events = events

    async def revoke(self, request: RevocationRequest, now: float) -> None:
        """Revoke a token; one that is not good any more is no error (RFC 7009 §2.2).

        Raises:
            AuthorizationError: the token is another client's; or `temporarily_unavailable`: the user's base logins were
                signed out too often in the last hour, and this one goes on (RFC 7009 §2.2.1).
        """
        try:
            token = await self._verifier.verify_or_look(request.token, now)
        except InvalidToken:
            return
        user = User(token.issuer, token.subject)
        learn(user=user)
        if token.client_id != request.client_id:
            raise AuthorizationError("invalid_client", "the token is another client's")
        if self._revocations.covers(token):
            return
        key = self._names("login", token.sid or "")
        login = BaseLogin.read((await self._store.get_many([key], now)).get(key))
        event = SecurityEvent(kind="token-revoked", user=user, client_id=token.client_id, at=now)
        rows = self._events.rows(event)
        if login is not None and login.jti == token.jti:  # elevated tokens may outlive the login
            await self._count(token, now)
            await self._revocations.revoke("login", login.sid, token.expires_at + LONGEST_TOKEN_LIFE, rows)
        else:
            await self._revocations.revoke("token", token.jti, token.expires_at, rows)
        await self._events.tell(event, written=True)

    async def _count(self, token: AccessToken, now: float) -> None:
        key = self._names("user", token.subject)

        def count(found: Found) -> tuple[Kept, None]:
            user = UserState.read(found.get(key))
            counted = count_sign_out(user, side_of(user, token.jkt, now), now)
            if isinstance(counted, int):
                raise temporarily_unavailable("this user signed out too often: the token goes on", counted)
            return {key: counted.record(now)}, None

        await self._store.update_many([key], count, now)


def count_sign_out(user: UserState, side: Side, now: float) -> UserState | int:
    """Count the end of one base login, which is a row of the log; the seconds to wait where there were too many.

    Who can sign in again and again has no use for it: they could have another token at once.
    """
    before = user.sign_outs if side is None else user.known[side].sign_outs
    recent = tuple(at for at in before if now - at < SIGN_OUTS_WINDOW)
    if len(recent) >= SIGN_OUTS:
        return whole_seconds(recent[-SIGN_OUTS] + SIGN_OUTS_WINDOW - now)
    recent = (*recent, now)
    if side is None:
        return replace(user, sign_outs=recent)
    known = {**user.known, side: replace(user.known[side], sign_outs=recent)}
    return replace(user, known=known)
