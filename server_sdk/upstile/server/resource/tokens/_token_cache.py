"""Verified tokens found again: bounded, expiry-aware, and without the tokens themselves."""

from hashlib import sha256

from upstile.server.resource.tokens._access_token import AccessToken


class TokenCache:
    """Remembers what tokens said, by the SHA-256 of the token.

    Two generations of at most half the size each: when the young one is full it becomes the old one, and the old
    one is dropped whole. So the cache never grows past its bound, and never pays for a clean-up.

    Args:
        size: the most tokens that are remembered.
    """

    def __init__(self, size: int = 10_000) -> None:
        self._half = max(1, size // 2)
        self._young: dict[bytes, AccessToken] = {}
        self._old: dict[bytes, AccessToken] = {}

    @staticmethod
    def key(token: str) -> bytes:
        """What a token is remembered by."""
        return sha256(token.encode("utf-8", "surrogatepass")).digest()

    def get(self, key: bytes, now: float) -> AccessToken | None:
        """What the token said, unless it has expired since."""
        found = self._young.get(key)
        if found is None:
            found = self._old.get(key)
            if found is None:
                return None
            self.put(key, found)
        return found if now < found.expires_at else None

    def put(self, key: bytes, token: AccessToken) -> None:
        """Remember a verified token."""
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = token

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
