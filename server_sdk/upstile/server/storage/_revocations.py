"""Tokens that are dead before they expire (RFC 7009, RFC 6749 §4.1.2), without a look at the store on each call."""

from upstile.server.storage._durable import User
from upstile.server.storage._ephemeral import EphemeralStore, use_once

_PREFIX = "revoked:"
_BEFORE = "before "


class Revocations:
    """The revoked tokens and base logins of this deployment.

    A revocation made by this process holds at once, one made by another process after `refresh_every` seconds.

    Args:
        store: where all processes of the deployment write them.
        refresh_every: seconds between two looks at the store.

    Attributes:
        any: whether anything is revoked at all; mostly nothing is, and one look at this is all that it costs a call.
    """

    def __init__(self, store: EphemeralStore, refresh_every: float = 1.0) -> None:
        self._store = store
        self._refresh_every = refresh_every
        self._revoked: frozenset[str] = frozenset()
        self._ended: dict[User, int] = {}
        self.any = False
        self._looked = 0.0

    async def revoke(self, identifier: str, expires_at: float, now: float) -> None:
        """Revoke a token (`jti`) or a base login (`sid`) until `expires_at`, when it is dead anyway."""
        await use_once(self._store, _PREFIX + identifier, expires_at, now)
        await self._look(now)

    async def revoke_all(self, user: User, expires_at: float, now: float) -> None:
        """Revoke all that a user was given up to now: sign-ins, codes, tokens."""
        await self.revoke(f"{_BEFORE}{int(now)} {user}", expires_at, now)

    async def refresh(self, now: float) -> None:
        """Learn what other processes revoked, if the last look was too long ago."""
        if abs(now - self._looked) >= self._refresh_every:
            await self._look(now)

    def is_revoked(self, jti: str, sid: str | None) -> bool:
        """Whether this token, or the base login that it stems from, is revoked."""
        return jti in self._revoked or (sid is not None and sid in self._revoked)

    def has_ended(self, issuer: str, subject: str, at: int) -> bool:
        """Whether all that a user was given at this time, and before, is revoked."""
        return at <= self._ended.get(User(issuer, subject), -1)

    async def _look(self, now: float) -> None:
        keys = await self._store.keys(_PREFIX, now)
        names = [key.removeprefix(_PREFIX) for key in keys]
        self._revoked = frozenset(name for name in names if not name.startswith(_BEFORE))
        ended: dict[User, int] = {}
        for name in names:
            if name.startswith(_BEFORE):
                at, issuer, subject = name.removeprefix(_BEFORE).split(" ", 2)
                user = User(issuer, subject)
                ended[user] = max(int(at), ended.get(user, 0))
        self._ended = ended
        self.any = bool(names)
        self._looked = now
