"""What turns the text of an access token into what it says, and how it says no."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from upstile.server.resource._issuer import Issuer
from upstile.server.resource.tokens._access_token import AccessToken

Look = Callable[[float], Awaitable[bool]]
"""Looks, at a time (epoch seconds), for what a verification misses; whether there is any use in judging again."""

Known = tuple[AccessToken, object, Callable[[], object]]
"""A token that was verified before: what it says; what it was verified with; and what returns what tokens of its issuer
are verified with now. While the two are the same object, the token is as good as it was."""


class InvalidToken(Exception):
    """The token is not acceptable; the text is for the log and for `error_description`, and holds none of it."""


class Unseen(InvalidToken):
    """The token may be acceptable: what would tell is not known here yet, and can be looked for.

    Attributes:
        look: looks for it.
    """

    def __init__(self, description: str, look: Look) -> None:
        super().__init__(description)
        self.look = look


class ExpiredToken(InvalidToken):
    """The token is good but for its age.

    Attributes:
        token: what it says.
    """

    def __init__(self, token: AccessToken) -> None:
        super().__init__("expired")
        self.token = token


class Verifier(Protocol):
    """Turns the text of an access token into what it says."""

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """Whose tokens these are."""
        ...

    def issuer_of(self, token: AccessToken) -> Issuer:
        """Whose token it is, of one that was verified here."""
        ...

    def verify(self, token: str, now: float, digest: bytes | None = None) -> AccessToken:
        """Verify a token at `now` (epoch seconds); raises `InvalidToken`. `digest` is its SHA-256, if at hand."""
        ...

    def has_expired(self, token: AccessToken, now: float) -> bool:
        """Whether a token that was verified is too old at `now` (epoch seconds)."""
        ...

    def known(self, digest: bytes, now: float) -> Known | None:
        """A token that was verified before, by its SHA-256; `None` leaves it to `verify`."""
        ...


async def verify_or_look(verifier: Verifier, token: str, now: float) -> AccessToken:
    """Verify a token; where something is not known yet, it is looked for, and the token judged again.

    Raises:
        InvalidToken: as `Verifier.verify`.
        StorageUnavailable, IssuerUnavailable: there was nowhere to look.
    """
    try:
        return verifier.verify(token, now)
    except Unseen as unseen:
        if not await unseen.look(now):
            raise
    return verifier.verify(token, now)
