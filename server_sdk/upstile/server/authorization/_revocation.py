"""Token revocation (RFC 7009): an app signs out, or gives an elevated token back."""

from pydantic import Field

from upstile.protocol import Message
from upstile.server._errors import AuthorizationError
from upstile.server.audit import Events, SecurityEvent, learn
from upstile.server.authorization._lives import LONGEST_LIFE
from upstile.server.authorization._logins import BaseLogin
from upstile.server.resource._claims import InvalidToken
from upstile.server.resource._jwt import Verifier
from upstile.server.storage import Names, OneTimeStore, Revocations, User


class RevocationRequest(Message):
    """The form that revokes a token (RFC 7009 §2.1); the hint changes nothing."""

    token: str = Field(repr=False, max_length=32_768)
    client_id: str = Field(max_length=255)


class Revoker:
    """Revokes tokens of this server.

    Args:
        verifier: for tokens of this server.
        store: tells a base login's own token, whose end is the end of all that stems from it.
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
            AuthorizationError: the token is another client's.
        """
        try:
            token = await self._verifier.verify_or_look(request.token, now)
        except InvalidToken:
            return
        learn(user=User(token.issuer, token.subject))
        if token.client_id != request.client_id:
            raise AuthorizationError("invalid_client", "the token is another client's")
        key = self._names("login", token.sid or "")
        login = BaseLogin.read((await self._store.get_many([key], now)).get(key))
        if login is not None and login.jti == token.jti:  # elevated tokens may outlive the login
            await self._revocations.revoke("login", login.sid, token.expires_at + LONGEST_LIFE)
        else:
            await self._revocations.revoke("token", token.jti, token.expires_at)
        user = User(token.issuer, token.subject)
        await self._events.tell(SecurityEvent(kind="token-revoked", user=user, client_id=token.client_id, at=now))
