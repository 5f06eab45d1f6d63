"""The elevated tokens that a client holds."""

from collections.abc import Callable, Iterable
from threading import Lock

from upstile.client.flow.tokens._logins import ElevatedToken, Granted, Login, Token
from upstile.protocol import Requirement, resource_covers

_EXPIRY_MARGIN = 5.0
_UNSAID = 60.0
"""Seconds that a token is used where the server does not say how long it lives (RFC 6749 §5.1)."""


class ElevatedTokens:
    """Those that have not expired, the newest first, and which a 401 refused.

    Args:
        monotonic: the time that ages are measured by.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._held: list[ElevatedToken] = []
        self.refused: frozenset[str] = frozenset()

    def find(
        self, requirement: Requirement, url: str, login: Login, resource: str | None = None
    ) -> ElevatedToken | None:
        """A live one of this login that can be expected to satisfy `requirement` at `url`.

        Where it is known to which `resource` the URL belongs, one for that; else one for the most specific resource.
        """
        if not self._held:
            return None
        tick = self._monotonic()
        with self._lock:
            self._held = [token for token in self._held if tick < token.expires_at]
            mine = [token for token in self._held if token.login == login and token.satisfies(requirement, tick)]
        if resource is None:
            covering = (token for token in mine if resource_covers(token.resource, url))
            return max(covering, key=lambda token: len(token.resource), default=None)
        return next((token for token in mine if token.resource == resource), None)

    def live(self, login: Login) -> list[ElevatedToken]:
        """Those of this login."""
        with self._lock:
            return [token for token in self._held if token.login == login and self._monotonic() < token.expires_at]

    def add(self, token: ElevatedToken) -> None:
        """Hold a new one."""
        with self._lock:
            self._held.insert(0, token)

    def take(self, found: Iterable[ElevatedToken]) -> None:
        """Hold those of another process, but for what is here, or was refused here."""
        with self._lock:
            known = self.refused | {token.access_token for token in self._held}
            self._held += [token for token in found if token.access_token not in known]

    def drop(self, token: Token) -> bool:
        """Forget the one that a 401 refused.

        Returns:
            Whether it was not known to be refused.
        """
        with self._lock:
            new = token.access_token not in self.refused
            self._held = [kept for kept in self._held if kept is not token]
            self.refused |= {token.access_token}
        return new

    def clear(self) -> None:
        """Forget all that are held."""
        with self._lock:
            self._held.clear()


def elevated_token(
    granted: Granted, requirement: Requirement, resource: str, login: Login, tick: float
) -> ElevatedToken:
    """The token of a grant; `tick` is the time by the monotonic clock."""
    response = granted.response
    life = _UNSAID if response.expires_in is None else response.expires_in
    return ElevatedToken(
        access_token=response.access_token,
        token_type=response.token_type,
        requirement=requirement,
        resource=resource,
        login=login,
        scope=frozenset(requirement.scope if response.scope is None else response.scope.split()),
        acr=response.acr,
        proved_at=None if granted.age is None else tick - granted.age,
        expires_at=tick + max(0.0, life - _EXPIRY_MARGIN),
    )
