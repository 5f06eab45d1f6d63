"""The verifier of tokens that one issuer is asked about, at one API (RFC 7662)."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from upstile.protocol import UpstileError
from upstile.server._errors import ConfigurationError, IssuerUnavailable
from upstile.server.issuers._client_authentication import ClientAuthentication
from upstile.server.issuers._discovery import discover
from upstile.server.issuers._http import IssuerHttp, StillThere
from upstile.server.issuers._question import ask
from upstile.server.issuers._remembered import Remembered
from upstile.server.resource._external_logins import LoginsAt
from upstile.server.resource._issuer import Issuer
from upstile.server.resource.tokens._access_token import AccessToken
from upstile.server.resource.tokens._claims import ClaimsReader
from upstile.server.resource.tokens._profile import TokenProfile
from upstile.server.resource.tokens._token_cache import TokenCache
from upstile.server.resource.tokens._verifier import InvalidToken, Known, Unseen

LONGEST_REMEMBERED = 300
REFUSED_FOR = 1.0
"""Seconds for which a refusal is remembered: a token may become good."""
MOST_ASKED = 128
"""Tokens that an issuer is asked about at a time: a flood of made-up ones must not fill its memory, or ours."""
TAKES = 2.0
"""Seconds that an answer may take."""
PATIENCE = 0.8
"""Seconds that a call waits for it. One that comes later is there for the next call."""
_MAX_TOKEN = 16_384
_NOT_ACTIVE = (
    "the issuer says that it is not active; if it should be: is this API's client in the audience of the token?"
)


class Introspected:
    """The verifier of tokens that one issuer is asked about, at one API (`External`).

    Args:
        issuer: whose tokens.
        audience: what names this API.
        any_audience: take tokens without one.
        profile: reads the members of the answers.
        credentials: who asks.
        endpoint: where; `None` looks into the metadata.
        remembered_for: seconds for which an answer is good.
        lazy: the API may start without the issuer.
        logins: what makes its sign-ins base logins.
    """

    takes_opaque = True

    def __init__(
        self,
        *,
        issuer: Issuer,
        audience: frozenset[str],
        any_audience: bool,
        profile: TokenProfile,
        credentials: ClientAuthentication,
        endpoint: str | None,
        remembered_for: float,
        lazy: bool,
        logins: LoginsAt | None,
    ) -> None:
        self.logins = logins
        self._issuer = issuer
        self._audience = audience
        self._any_audience = any_audience
        self._profile = profile
        self._credentials = credentials
        self._endpoint = endpoint
        self._configured = endpoint is not None
        self._lazy = lazy
        self._reader = ClaimsReader(issuer, audience, profile=profile, named=None if logins is None else logins.named)
        self._answers = Remembered(remembered_for, REFUSED_FOR)
        self._http = IssuerHttp(TAKES)
        self._asking: dict[bytes, asyncio.Task[AccessToken | str]] = {}

    def stepped_up_by(self, issuer: Issuer) -> None:
        """Know who steps its users up."""
        self._issuer = replace(self._issuer, stepped_up_by=issuer)

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """Whose tokens these are."""
        return (self._issuer,)

    @property
    def is_ready(self) -> bool:
        """Whether it is known where to ask."""
        return self._endpoint is not None

    def issuer_of(self, token: AccessToken) -> Issuer:
        """Whose token it is."""
        return self._issuer

    def verify(self, token: str, now: float, digest: bytes | None = None) -> AccessToken:
        """A token as its issuer described it lately; where it has not, `Unseen` asks.

        Raises:
            InvalidToken: the issuer does not stand for it, or it is not for this API.
        """
        key = TokenCache.key(token) if digest is None else digest
        answer = self._answers.get(key, now)
        if answer is None:
            if len(token) > _MAX_TOKEN or not token.isascii():
                raise InvalidToken("malformed")
            raise Unseen("its issuer has to be asked", partial(self._look, token, key))
        if isinstance(answer, str):
            raise InvalidToken(answer)
        return answer

    def has_expired(self, token: AccessToken, now: float) -> bool:
        """Whether a token that was described is too old."""
        return now >= token.expires_at

    def known(self, digest: bytes, now: float) -> Known | None:
        """Nothing: what is remembered here ends by the clock, and no key says so."""
        return None

    async def prepare(self) -> None:
        """Find out where to ask.

        Raises:
            ConfigurationError: what the issuer publishes contradicts what is configured.
            IssuerUnavailable: it does not answer, and the API may not start without it.
        """
        try:
            await self._find()
        except IssuerUnavailable as error:
            if not self._lazy:
                raise IssuerUnavailable(f"{error}; IntrospectionVerifier(lazy=True) starts without it") from error

    def tick(self, now: float) -> None:
        """Nothing changes by itself."""

    def forked(self) -> None:
        """Be usable in a forked process."""
        self._http.forked()
        self._asking = {}

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _find(self) -> None:
        if self._configured or self._endpoint is not None:
            return
        published = await discover(self._http, self._issuer.identifier)
        if self._issuer.acr_values_supported is None:
            self._issuer = self._issuer.offering(published.acr_values_supported)
        self._endpoint = _of_the_issuer(published.introspection_endpoint, self._issuer.identifier)

    async def _look(self, token: str, key: bytes, now: float) -> bool:
        """Ask about a token, once for all who wait; whether there is an answer now."""
        task = self._asking.get(key)
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            if len(self._asking) >= MOST_ASKED:  # the issuer is not away: so nothing is noted, and others go on
                raise IssuerUnavailable(f"{self._issuer.identifier} is being asked about too many tokens")
            task = self._asking[key] = asyncio.get_running_loop().create_task(self._ask(token, key, now))
            task.add_done_callback(partial(self._asked, key))
        await asyncio.wait({task}, timeout=PATIENCE)
        if not task.done():
            raise IssuerUnavailable(f"{self._issuer.identifier} has not answered yet")
        self._answers.hand_over(key, task.result(), now)
        return True

    def _asked(self, key: bytes, task: "asyncio.Task[AccessToken | str]") -> None:
        if self._asking.get(key) is task:
            del self._asking[key]
        if not task.cancelled():
            task.exception()  # it was noted, and nobody may be left who waits for it

    async def _ask(self, token: str, key: bytes, now: float) -> AccessToken | str:
        answers, identifier, heard = self._answers, self._issuer.identifier, self._answers.heard
        if answers.away(now):
            raise IssuerUnavailable(f"{identifier} did not answer just now")
        try:
            await self._find()
            answer = await ask(self._http, self._endpoint or "", token, self._credentials(now))
        except StillThere as error:
            answers.note_odd(identifier, error, now)
            raise
        except UpstileError as error:  # metadata that contradict what is configured are no fault of this call either
            unavailable = error if isinstance(error, IssuerUnavailable) else IssuerUnavailable(str(error))
            answers.note_away(identifier, unavailable, now, heard)
            raise unavailable from None
        said = answer if isinstance(answer, str) else self._read(answer, key, now)
        answers.put(key, said, now)
        return said

    def _read(self, members: Mapping[str, Any], key: bytes, now: float) -> AccessToken | str:
        """The token, or why it is none."""
        if not members["active"]:
            return _NOT_ACTIVE
        claims = {"iss": self._issuer.identifier, "iat": now, **members}
        claims.setdefault("exp", now + LONGEST_REMEMBERED)
        if self._profile.jti is not None:  # only `active` must be there (RFC 7662 §2.2)
            claims.setdefault(self._profile.jti, key.hex())
        bound = bool(claims.get("cnf"))
        if self._any_audience and claims.get(self._profile.audience) is None:
            claims[self._profile.audience] = list(self._audience)
        try:
            _check_type(str(claims.get("token_type", "")).lower(), bound, self._profile)
            read = self._reader.read_members(claims, now, key)
        except Unseen as unseen:
            raise IssuerUnavailable(str(unseen)) from unseen
        except InvalidToken as error:
            return str(error)
        return read if now < read.expires_at else "expired"


def _check_type(named: str, bound: bool, profile: TokenProfile) -> None:
    """A refresh token is active, too, and no access token: where the profile cannot tell, the type has to."""
    if named == "dpop" and not bound:
        raise InvalidToken("it is bound to a key, and the issuer does not say to which")
    if named not in ("bearer", "dpop") and (named or profile.is_access_token is None):
        raise InvalidToken("not an access token")


def _of_the_issuer(endpoint: str | None, issuer: str) -> str:
    if endpoint is None:
        raise ConfigurationError(
            f"the metadata of {issuer} name no introspection_endpoint: pass introspection_endpoint="
        )
    here, there = urlsplit(issuer), urlsplit(endpoint)
    if (here.scheme, here.netloc) != (there.scheme, there.netloc):
        raise ConfigurationError(
            f"the metadata of {issuer} name an introspection_endpoint of another host, which would get the client's"
            " secret: pass introspection_endpoint= if that is right"
        )
    return endpoint
