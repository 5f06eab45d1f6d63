"""Signed tokens of an external issuer: what its author configures, and the verifier at one API."""

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from upstile.server._errors import ConfigurationError, IssuerUnavailable
from upstile.server.issuers._discovery import Published, discover
from upstile.server.issuers._http import Answer, IssuerHttp, check_url
from upstile.server.issuers._key_set import JWKS, IssuerKeys
from upstile.server.resource._external_logins import ExternalLogins, LoginsAt
from upstile.server.resource._issuer import Issuer
from upstile.server.resource.tokens._jwt import SignedTokens
from upstile.server.resource.tokens._profile import RFC9068, TokenProfile

MOST_LEEWAY = 60


class JWTVerifier:
    """Signed access tokens of one issuer, verified by the keys that it publishes.

    Args:
        issuer: its identifier, as the `iss` of its tokens has it: a slash at the end makes a difference.
        audience: what names this API in `aud`; the API's own `url` by default. Several may be given.
        profile: how the issuer writes its tokens.
        satisfies: what its acr values stand for besides themselves, e.g. `{"urn:okta:loa:2fa:any": {"mfa"}}`.
        asks: by which value of its own it is asked for one of the API's, e.g. `{"mfa": "urn:okta:loa:2fa:any"}`; by
            default the API's own.
        acr_values_supported: what it can be asked for, where its metadata do not say, or say too little.
        jwks_uri: where its keys are, where it has no metadata.
        leeway: seconds of grace after `exp` and before `nbf`, for a clock that differs; at most 60.
        lazy: start while the issuer is away; until it is there, its tokens are answered with 503.
        logins: people who sign in at the issuer are stepped up by the embedded server (`StepUp.embedded`): its tokens
            start ceremonies there. Without it they are only tokens for the API.

    Raises:
        ConfigurationError: an option makes no sense.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str | Iterable[str] = (),
        profile: TokenProfile = RFC9068,
        satisfies: Mapping[str, Iterable[str]] | None = None,
        asks: Mapping[str, str] | None = None,
        acr_values_supported: Sequence[str] | None = None,
        jwks_uri: str | None = None,
        leeway: int = 0,
        lazy: bool = False,
        logins: ExternalLogins | None = None,
    ) -> None:
        if isinstance(leeway, bool) or not 0 <= leeway <= MOST_LEEWAY:
            raise ConfigurationError(f"leeway={leeway!r} must be 0 to {MOST_LEEWAY} seconds")
        self._issuer = described(issuer, satisfies, asks, acr_values_supported)
        self._audience = audience
        self._profile = profile
        self._jwks_uri = jwks_uri
        self._leeway = leeway
        self._lazy = lazy
        self._logins = logins

    def opened(self, url: str, *, allow_insecure_loopback: bool) -> "SignedByIssuer":
        """The verifier at one API (`ExternalOptions`)."""
        check_url("issuer", self._issuer.identifier, allow_insecure_loopback=allow_insecure_loopback)
        if self._jwks_uri is not None:
            check_url("jwks_uri", self._jwks_uri, allow_insecure_loopback=allow_insecure_loopback)
        audience = audience_of(self._audience, url)
        return SignedByIssuer(
            issuer=self._issuer,
            audience=audience,
            profile=self._profile,
            leeway=self._leeway,
            jwks_uri=self._jwks_uri,
            lazy=self._lazy,
            allow_insecure_loopback=allow_insecure_loopback,
            logins=logins_at(self._issuer, self._logins, audience, self._profile),
        )


def described(
    issuer: str,
    satisfies: Mapping[str, Iterable[str]] | None,
    asks: Mapping[str, str] | None,
    acr_values_supported: Sequence[str] | None,
) -> Issuer:
    """What is known of an issuer before it is asked."""
    if isinstance(acr_values_supported, str):
        raise ConfigurationError("acr_values_supported is a list of names")
    return Issuer(identifier=issuer, satisfies=satisfies or {}, asks=asks or {}).offering(acr_values_supported)


def audience_of(audience: str | Iterable[str], url: str) -> frozenset[str]:
    """What names an API: what its author says, or its URL."""
    return frozenset((audience,) if isinstance(audience, str) else audience) or frozenset({url})


def logins_at(
    issuer: Issuer, options: ExternalLogins | None, audience: frozenset[str], profile: TokenProfile
) -> LoginsAt | None:
    """What makes the sign-ins of an issuer base logins, if anything does."""
    if options is None:
        return None
    return LoginsAt(issuer=issuer.identifier, options=options, audience=audience, profile=profile)


class SignedByIssuer(SignedTokens):
    """The verifier of one issuer's signed tokens at one API (`External`).

    Args:
        issuer, audience, profile, leeway: as for `SignedTokens`.
        jwks_uri: where the keys are; `None` looks into the metadata.
        lazy: the API may start without the issuer.
        allow_insecure_loopback: the keys may be on this machine, without TLS.
        logins: what makes its sign-ins base logins.
    """

    takes_opaque = False

    def __init__(
        self,
        *,
        issuer: Issuer,
        audience: frozenset[str],
        profile: TokenProfile,
        leeway: int,
        jwks_uri: str | None,
        lazy: bool,
        allow_insecure_loopback: bool,
        logins: LoginsAt | None,
    ) -> None:
        self.logins = logins
        self._jwks_uri = jwks_uri
        self._lazy = lazy
        self._allow_insecure_loopback = allow_insecure_loopback
        self._published: Published | None = None
        self._key_set = IssuerKeys(issuer.identifier, self._read)
        super().__init__(
            issuer=issuer,
            audience=audience,
            keys=self._key_set.current,
            leeway=leeway,
            look=self._look_for,
            profile=profile,
            named=None if logins is None else logins.named,
        )

    def stepped_up_by(self, issuer: Issuer) -> None:
        """Know who steps its users up."""
        self.issuer = replace(self.issuer, stepped_up_by=issuer)

    @property
    def is_ready(self) -> bool:
        """Whether keys are known."""
        return self._key_set.are_known

    async def prepare(self) -> None:
        """Find the keys.

        Raises:
            ConfigurationError: what the issuer publishes contradicts what is configured, or has no key for us.
            IssuerUnavailable: it does not answer, and the API may not start without it.
        """
        try:
            await self._key_set.first()
        except IssuerUnavailable as error:
            if not self._lazy:
                raise IssuerUnavailable(f"{error}; JWTVerifier(lazy=True) starts without it") from error

    def tick(self, now: float) -> None:
        """Read the keys again, if it is time."""
        self._key_set.tick()

    def forked(self) -> None:
        """Be usable in a forked process."""
        self._key_set.forked()

    async def aclose(self) -> None:
        """Nothing is held between two looks."""

    def _look_for(self, kid: str, now: float) -> Awaitable[bool]:
        return self._key_set.look(kid, now)

    async def _read(self) -> JWKS:
        http = IssuerHttp()
        try:
            uri = self._jwks_uri or await self._published_uri(http)
            try:
                return _keys_of(uri, await http.get(uri))
            except IssuerUnavailable:
                self._published = None  # they may have moved
                raise
        finally:
            await http.aclose()

    async def _published_uri(self, http: IssuerHttp) -> str:
        if self._published is None:
            published = await discover(http, self.issuer.identifier)
            if self.issuer.acr_values_supported is None:
                self.issuer = self.issuer.offering(published.acr_values_supported)
            self._published = published
        uri = self._published.jwks_uri
        if uri is None:
            raise ConfigurationError(f"the metadata of {self.issuer.identifier} name no jwks_uri: pass jwks_uri=")
        return check_url("jwks_uri", uri, allow_insecure_loopback=self._allow_insecure_loopback)


def _keys_of(uri: str, answer: Answer) -> JWKS:
    keys = answer.members.get("keys")
    if answer.status != 200 or not isinstance(keys, list):
        raise IssuerUnavailable(f"{uri} answered {answer.status}, and no JWK Set")
    return [cast(dict[str, Any], key) for key in cast(list[object], keys) if isinstance(key, dict)]
