"""Tokens that are dead before they expire (RFC 7009, RFC 6749 §4.1.2), without a look at the store on each call."""

from upstile.server.storage._ephemeral import EphemeralStore, use_once

_PREFIX = "revoked:"


class Revocations:
    """The revoked tokens and base logins of this deployment.

    A revocation made by this process holds at once, one made by another process after `refresh_every` seconds.

    Args:
        store: where all processes of the deployment write them.
        refresh_every: seconds between two looks at the store.
    """

    def __init__(self, store: EphemeralStore, refresh_every: float = 1.0) -> None:
        self._store = store
        self._refresh_every = refresh_every
        self._revoked: frozenset[str] = frozenset()
        self._looked = 0.0

    async def revoke(self, identifier: str, expires_at: float, now: float) -> None:
        """Revoke a token (`jti`) or a base login (`sid`) until `expires_at`, when it is dead anyway."""
        await use_once(self._store, _PREFIX + identifier, expires_at, now)
        await self._look(now)

    async def refresh(self, now: float) -> None:
        """Learn what other processes revoked, if the last look was too long ago."""
        if abs(now - self._looked) >= self._refresh_every:
            await self._look(now)

    def is_revoked(self, jti: str, sid: str | None) -> bool:
        """Whether this token, or the base login that it stems from, is revoked."""
        return bool(self._revoked) and (jti in self._revoked or (sid is not None and sid in self._revoked))

    async def _look(self, now: float) -> None:
        keys = await self._store.keys(_PREFIX, now)
        self._revoked = frozenset(key.removeprefix(_PREFIX) for key in keys)
        self._looked = now
