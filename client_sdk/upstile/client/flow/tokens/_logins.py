"""Who is signed in, and the tokens of that: the records."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upstile.client._errors import ConfigurationError
from upstile.client.flow.tokens._proof_key import ProofKey
from upstile.protocol import B64TOKEN, Requirement

if TYPE_CHECKING:
    from upstile.protocol import TokenResponse


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseToken:
    """The token of the application's own sign-in.

    Args:
        access_token: the token.
        token_type: `Bearer`, or `DPoP` if it is bound to the client's key.
        subject: whose it is, by any name: a callable that refreshes its token says so that the user is the same.

    Raises:
        ConfigurationError: the token could not stand in a header (RFC 6750 §2.1).
    """

    access_token: str = field(repr=False)
    token_type: str = "Bearer"  # noqa: S105 - a name
    subject: str | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(B64TOKEN, self.access_token):
            raise ConfigurationError(
                "the access token holds characters that no token has, such as a line break at its end"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class ElevatedToken:
    """A token that came out of a ceremony.

    Attributes:
        requirement: what it was obtained for.
        resource: what it may be sent to.
        login: the sign-in that it stems from.
        acr: what was reached.
        proved_at, expires_at: by the monotonic clock: that of this machine may be wrong, or be set. `proved_at` is
            `None` where the server does not say when the person was there.
    """

    access_token: str = field(repr=False)
    token_type: str
    requirement: Requirement
    resource: str
    login: "Login"
    scope: frozenset[str]
    acr: str | None
    proved_at: float | None
    expires_at: float

    def satisfies(self, asked: Requirement, tick: float) -> bool:
        """Whether it can be expected to do for `asked`: by name, there is no order that a client may assume.

        `tick` is the time by the monotonic clock.
        """
        if asked.for_this_call or self.requirement.for_this_call:
            return False
        strong = not asked.acr or self.acr in asked.acr or (self.acr is None and self.requirement.acr == asked.acr)
        fresh = asked.max_age is None or (self.proved_at is not None and tick - self.proved_at <= asked.max_age)
        return strong and fresh and self.scope.issuperset(asked.scope)


@dataclass(frozen=True, kw_only=True, slots=True)
class Granted:
    """What a ceremony ended in: the server's response, and for how many seconds the proof was old when it came."""

    response: "TokenResponse"
    age: float | None


Token = BaseToken | ElevatedToken
Login = tuple[int, str | None]
"""Who is signed in: how often this client has signed in, and whose token it is, as far as that is known.

Of a callable's tokens that name no subject, each text is somebody else's.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Whose call it is: another user's tokens are nothing to it.

    Attributes:
        base: the base token that it begins with.
        login: the sign-in.
        key: what its tokens are bound to.
    """

    base: BaseToken | None
    login: Login
    key: ProofKey


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedIn:
    """A sign-in, as an app may show it.

    Attributes:
        subject: whose it is, as the app has named the user; `None` where it did not.
        expires: epoch seconds at which it ends, where the server said so; the server may end it sooner.
        bound: whether its token is bound to this client's key.
    """

    subject: str | None
    expires: float | None
    bound: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedInAt:
    """What a sign-in at an identity provider tells besides its token.

    Attributes:
        identity: who it is there.
        resource: what the token was asked for.
    """

    identity: str = field(repr=False)
    resource: str | None


Given = str | BaseToken
TokenSource = Given | Callable[[], "Given | Awaitable[Given]"] | None
