"""Token revocation (RFC 7009): an app signs out, or gives an elevated token back."""

from dataclasses import replace

from pydantic import Field

from upstile.protocol import Message
from upstile.server._errors import AuthorizationError
from upstile.server.audit import Events, SecurityEvent, learn
from upstile.server.authorization._lives import LONGEST_TOKEN_LIFE
from upstile.server.authorization._response import temporarily_unavailable
from upstile.server.authorization.tokens._tokens import ceremony_of
from upstile.server.authorization.user._budgets import Side, side_of, whole_seconds
from upstile.server.authorization.user._user_state import UserState
from upstile.server.resource.tokens._access_token import AccessToken
from upstile.server.resource.tokens._verifier import ExpiredToken, InvalidToken, Verifier, verify_or_look
from upstile.server.storage import Found, Kept, Names, OneTimeStore, Record, Revocations, User

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
        store: counts the ends of base logins.
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

        A sign-in's own token ends all that stems from the sign-in, also when it has expired itself: elevated tokens may
        outlive it. Nothing is told under the name of whose token has ended.

        Raises:
            AuthorizationError: the token is another client's; or `temporarily_unavailable`: the user's base logins were
                signed out too often in the last hour, and this one goes on (RFC 7009 §2.2.1).
        """
        token = await self._not_ended(request.token, now)
        if token is None:
            return
        user = User(token.issuer, token.subject)
        if token.client_id != request.client_id:
            if now < token.expires_at:
                learn(user=user)
            raise AuthorizationError("invalid_client", "the token is another client's")
        learn(user=user)
        event = SecurityEvent(kind="token-revoked", user=user, client_id=token.client_id, at=now)
        rows = self._events.rows(event)
        if token.sid is not None and _is_sign_ins_own(token):
            await self._count(token, now)
            new = await self._revocations.revoke("login", token.sid, token.expires_at + LONGEST_TOKEN_LIFE, rows)
        else:
            new = await self._revocations.revoke("token", token.jti, token.expires_at, rows)
        if new:
            await self._events.tell(event, written=True)

    async def _not_ended(self, text: str, now: float) -> AccessToken | None:
        """A token that something may still be ended with."""
        try:
            token = await verify_or_look(self._verifier, text, now)
        except ExpiredToken as error:
            token = error.token
            if not _is_sign_ins_own(token) or now >= token.expires_at + LONGEST_TOKEN_LIFE:
                return None
        except InvalidToken:
            return None
        return None if self._revocations.covers(token) else token

    async def _count(self, token: AccessToken, now: float) -> None:
        """Count the end of a base login, once: whoever holds its token only cannot use up what is there for others."""
        key, ended = self._names("user", token.subject), self._names("signed-out", token.sid or "")
        until = token.expires_at + LONGEST_TOKEN_LIFE

        def count(found: Found) -> tuple[Kept, None]:
            if ended in found:
                return {}, None
            user = UserState.read(found.get(key))
            counted = count_sign_out(user, side_of(user, token.jkt, now), now)
            if isinstance(counted, int):
                raise temporarily_unavailable("this user signed out too often: the token goes on", counted)
            return {key: counted.record(now), ended: Record(value=b"", expires_at=until)}, None

        await self._store.update_many([key, ended], count, now)


def _is_sign_ins_own(token: AccessToken) -> bool:
    return ceremony_of(token.jti) is None


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
