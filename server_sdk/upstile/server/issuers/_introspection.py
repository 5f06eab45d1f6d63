"""Tokens that an external issuer is asked about (RFC 7662): what the author of an API configures."""

from collections.abc import Iterable, Mapping, Sequence

from upstile.server._errors import ConfigurationError
from upstile.server.issuers._client_authentication import ClientAuthentication, SecretMethod, by_key, by_secret
from upstile.server.issuers._http import check_url
from upstile.server.issuers._introspected import LONGEST_REMEMBERED, Introspected
from upstile.server.issuers._jwt_verifier import audience_of, described, logins_at
from upstile.server.resource._external_logins import ExternalLogins
from upstile.server.resource.tokens._profile import RFC9068, TokenProfile


class IntrospectionVerifier:
    """Access tokens that only their issuer can read, or that say too little: it is asked about each.

    Args:
        issuer: its identifier.
        client_id: the client that this API is at the issuer.
        client_secret: its secret; or
        private_key: its private key, a PEM (P-256, Ed25519 or RSA), whose assertions authenticate it.
        kid: the name of that key.
        method: how the secret is sent.
        audience: what names this API in `aud`; the API's own `url` by default. Several may be given.
        any_audience: take tokens for which the issuer names no audience. Only where it tells this client of nothing but
            tokens for this API.
        introspection_endpoint: where to ask; by default as the metadata say, at the issuer's own origin.
        remembered_for: seconds for which an answer is good, and no longer than the token; 0 asks for each call. So long
            a token goes on that its issuer has revoked.
        profile: as for `JWTVerifier`; it reads the answer's members.
        satisfies: as for `JWTVerifier`.
        asks: as for `JWTVerifier`.
        acr_values_supported: as for `JWTVerifier`.
        lazy: start while the issuer is away.
        logins: people who sign in at the issuer are stepped up by the embedded server, as for `JWTVerifier`.

    Raises:
        ConfigurationError: an option makes no sense.
    """

    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        client_secret: str | None = None,
        private_key: str | bytes | None = None,
        kid: str | None = None,
        method: SecretMethod = "client_secret_basic",
        audience: str | Iterable[str] = (),
        any_audience: bool = False,
        introspection_endpoint: str | None = None,
        remembered_for: float = 30,
        profile: TokenProfile = RFC9068,
        satisfies: Mapping[str, Iterable[str]] | None = None,
        asks: Mapping[str, str] | None = None,
        acr_values_supported: Sequence[str] | None = None,
        lazy: bool = False,
        logins: ExternalLogins | None = None,
    ) -> None:
        if not 0 <= remembered_for <= LONGEST_REMEMBERED:
            raise ConfigurationError(f"remembered_for={remembered_for!r} must be 0 to {LONGEST_REMEMBERED} seconds")
        self._issuer = described(issuer, satisfies, asks, acr_values_supported)
        self._credentials = _authentication(issuer, client_id, client_secret, private_key, kid, method)
        self._audience = audience
        self._any_audience = any_audience
        self._endpoint = introspection_endpoint
        self._remembered_for = remembered_for
        self._profile = profile
        self._lazy = lazy
        self._logins = logins

    def opened(self, url: str, *, allow_insecure_loopback: bool) -> Introspected:
        """The verifier at one API (`ExternalOptions`)."""
        check_url("issuer", self._issuer.identifier, allow_insecure_loopback=allow_insecure_loopback)
        if self._endpoint is not None:
            check_url("introspection_endpoint", self._endpoint, allow_insecure_loopback=allow_insecure_loopback)
        audience = audience_of(self._audience, url)
        return Introspected(
            issuer=self._issuer,
            audience=audience,
            any_audience=self._any_audience,
            profile=self._profile,
            credentials=self._credentials,
            endpoint=self._endpoint,
            remembered_for=self._remembered_for,
            lazy=self._lazy,
            logins=logins_at(self._issuer, self._logins, audience, self._profile),
        )


def _authentication(
    issuer: str,
    client_id: str,
    client_secret: str | None,
    private_key: str | bytes | None,
    kid: str | None,
    method: SecretMethod,
) -> ClientAuthentication:
    if client_secret and private_key is None:
        return by_secret(client_id, client_secret, method)
    if private_key is not None and not client_secret:
        return by_key(client_id, private_key, kid, issuer)
    raise ConfigurationError("IntrospectionVerifier needs client_secret= or private_key=, one of them")
