"""Sign-ins at another issuer that count here: whose they are, by which app, and what of them is believed.

The issuer signs people in, the embedded server steps them up (upstile profile §3 "Start", §4 "Base factors").
"""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from inspect import iscoroutinefunction

from upstile.server._errors import ConfigurationError, IssuerUnavailable
from upstile.server._hook import kind_and_place
from upstile.server.resource.tokens._access_token import AccessToken
from upstile.server.resource.tokens._profile import TokenProfile
from upstile.server.resource.tokens._verifier import InvalidToken, Unseen

_log = logging.getLogger("upstile.server")

Names = Callable[[str, str], str | None]
"""The name here of who is (issuer, `sub`) there; `None` where they are nobody here."""


@dataclass(frozen=True, kw_only=True)
class ExternalLogins:
    """What makes the sign-ins of an issuer base logins of the embedded server: its tokens may start ceremonies there.

    Args:
        users: the name here of a person, by the issuer and their `sub` there. Base and elevated tokens show it as
            `auth.subject`. `None` refuses the token. It is called in the event loop when a token is first seen, so it
            must not wait for anything. Without it the `sub` is the name: only where nobody signs in anywhere else.
        clients: which app here a client of the issuer is, e.g. `{"bank-cli-at-keycloak": "bank-cli"}`; one that is not
            there is called the same at both.
        trusted_amr: the values of the token's `amr` (RFC 8176) that count as factors, e.g. `{"pwd"}`. By default none:
            then all factors of `mfa` come from the ceremony.

    Raises:
        ConfigurationError: an option is of another kind.
    """

    users: Names | None = None
    clients: Mapping[str, str] = field(default_factory=dict[str, str])
    trusted_amr: Collection[str] = ()

    def __post_init__(self) -> None:
        if self.users is not None and not callable(self.users):
            raise ConfigurationError("users= is a function of an issuer and a sub, which returns a name")
        if iscoroutinefunction(self.users):
            raise ConfigurationError(
                "users= is called without await: make it a plain function, with what it needs at hand"
            )
        if isinstance(self.trusted_amr, str):
            raise ConfigurationError(
                f"trusted_amr={self.trusted_amr!r}: write {{{self.trusted_amr!r}}}, a set of names"
            )


@dataclass(frozen=True, kw_only=True)
class LoginsAt:
    """The same at one API, for its verifier (`External.logins`).

    Attributes:
        issuer: where people sign in.
        options: what the author of the API says.
        audience: what names the API there.
        profile: how the issuer writes tokens.
    """

    issuer: str
    options: ExternalLogins
    audience: frozenset[str]
    profile: TokenProfile

    def named(self, token: AccessToken) -> AccessToken:
        """A verified token with the name that its user has here.

        Raises:
            InvalidToken: they are nobody here.
            Unseen: that could not be found out, and there is no use in looking again: 503.
        """
        if self.options.users is None:
            return token
        try:
            name = _text_or_none(self.options.users(token.issuer, token.subject))
        except Exception as error:
            _log.error("users= failed for a token of %s: %s", token.issuer, kind_and_place(error))
            raise Unseen("whose it is could not be found out", _nowhere) from error
        if not name:
            raise InvalidToken("of nobody who is known here")
        return token._replace(subject=name)

    def is_for_others(self, token: AccessToken) -> bool:
        """Whether a token names another audience than this API, of those that count."""
        ours = self.audience | self.profile.audiences_that_do_not_count(self.issuer)
        return not ours.issuperset(token.audience)


def _text_or_none(name: object) -> str | None:
    """A name. A number would be one user under `auth.subject`, and another one under what the help desk writes."""
    if name is None or isinstance(name, str):
        return name
    raise TypeError("users= returns a text, or None")


async def _nowhere(now: float) -> bool:
    raise IssuerUnavailable("users= failed")
