"""The tokens that a client holds: one base token, and elevated ones in memory only."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from urllib.parse import urlsplit

from upstile.protocol import B64TOKEN, Requirement, TokenResponse, resource_covers

_EXPIRY_MARGIN = 5.0
_UNSAID = 60.0
"""Seconds that a token is used where the server does not say how long it lives (RFC 6749 §5.1)."""
_LEARNED = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseToken:
    """The token of the application's own sign-in.

    Args:
        access_token: the token.
        token_type: `Bearer`, or `DPoP` if it is bound to the client's key.
        subject: whose it is, by any name; needed only where a callable may return another user's token one day.

    Raises:
        ValueError: the token could not stand in a header (RFC 6750 §2.1).
    """

    access_token: str = field(repr=False)
    token_type: str = "Bearer"  # noqa: S105 - a name
    subject: str | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(B64TOKEN, self.access_token):
            raise ValueError("the access token holds characters that no token has, such as a line break at its end")


@dataclass(frozen=True, kw_only=True, slots=True)
class ElevatedToken:
    """A token that came out of a ceremony.

    Attributes:
        requirement: what it was obtained for.
        resource: what it may be sent to.
        login: the sign-in that it stems from.
        acr, auth_time: what was reached, and when (epoch seconds).
        expires_at: by the monotonic clock.
    """

    access_token: str = field(repr=False)
    token_type: str
    requirement: Requirement
    resource: str
    login: "Login"
    scope: frozenset[str]
    acr: str | None
    auth_time: float | None
    expires_at: float

    def satisfies(self, asked: Requirement, now: float) -> bool:
        """Whether it can be expected to do for `asked`: by name, there is no order that a client may assume."""
        if asked.for_this_call or self.requirement.for_this_call:
            return False
        strong = not asked.acr or self.acr in asked.acr or (self.acr is None and self.requirement.acr == asked.acr)
        fresh = asked.max_age is None or (self.auth_time is not None and now - self.auth_time <= asked.max_age)
        return strong and fresh and self.scope.issuperset(asked.scope)


Token = BaseToken | ElevatedToken
Login = tuple[int, str | None]
"""Who is signed in: how often this client has signed in, and whose token it is, if that is known."""
TokenSource = str | BaseToken | Callable[[], "str | BaseToken"] | None


class Tokens:
    """Finds the right token for a call.

    Args:
        source: the base token, or where it comes from.
        clock: the time in epoch seconds; ages are measured by it.
        monotonic: the time that expiry is measured by.
    """

    def __init__(self, source: TokenSource, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._source = BaseToken(access_token=source) if isinstance(source, str) else source
        self._clock = clock
        self._monotonic = monotonic
        self._lock = Lock()
        self._sign_ins = 0
        self._elevated: list[ElevatedToken] = []
        self._learned: dict[tuple[str, str], Requirement] = {}

    def base(self) -> BaseToken | None:
        """The current base token; a callable is asked each time, so that it may refresh."""
        found = self._source() if callable(self._source) else self._source
        return BaseToken(access_token=found) if isinstance(found, str) else found

    def current(self) -> tuple[BaseToken | None, Login]:
        """The base token, and who is signed in: what another user proved is never used."""
        sign_ins = self._sign_ins  # read first: a sign-in meanwhile makes the pair an old one
        base = self.base()
        return base, (sign_ins, base.subject if base else None)

    def sign_in(self, response: TokenResponse) -> None:
        """Hold the token of a new base login, and forget what the old one led to."""
        with self._lock:
            self._sign_ins += 1
            self._source = BaseToken(access_token=response.access_token, token_type=response.token_type)
            self._elevated.clear()

    def for_call(self, method: str, url: str, login: Login) -> ElevatedToken | None:
        """The elevated token to send first, where an earlier challenge taught that one is needed."""
        learned = self._learned.get((method, urlsplit(url).path)) if self._learned else None
        return None if learned is None else self.find(learned, url, login)

    def learn(self, method: str, url: str, requirement: Requirement) -> None:
        """Remember what a call was challenged for; the query does not count."""
        with self._lock:
            if len(self._learned) >= _LEARNED:
                self._learned.clear()
            self._learned[method, urlsplit(url).path] = requirement

    def find(self, requirement: Requirement, url: str, login: Login) -> ElevatedToken | None:
        """A live elevated token of this login that can be expected to satisfy `requirement` at `url`."""
        if not self._elevated:
            return None
        now, tick = self._clock(), self._monotonic()
        with self._lock:
            self._elevated = [token for token in self._elevated if tick < token.expires_at]
            for token in self._elevated:
                mine = token.login == login and resource_covers(token.resource, url)
                if mine and token.satisfies(requirement, now):
                    return token
        return None

    def keep(self, response: TokenResponse, requirement: Requirement, resource: str, login: Login) -> ElevatedToken:
        """Hold a new elevated token; one for a single call is handed back and not kept."""
        life = _UNSAID if response.expires_in is None else response.expires_in
        token = ElevatedToken(
            access_token=response.access_token,
            token_type=response.token_type,
            requirement=requirement,
            resource=resource,
            login=login,
            scope=frozenset(requirement.scope if response.scope is None else response.scope.split()),
            acr=response.acr,
            auth_time=response.auth_time,
            expires_at=self._monotonic() + max(0.0, life - _EXPIRY_MARGIN),
        )
        with self._lock:
            if not requirement.for_this_call and login[0] == self._sign_ins:
                self._elevated.insert(0, token)
        return token

    def drop(self, token: Token) -> None:
        """Forget the one token that a 401 refused."""
        with self._lock:
            self._elevated = [kept for kept in self._elevated if kept is not token]
