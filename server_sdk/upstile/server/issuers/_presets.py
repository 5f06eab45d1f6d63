"""The profiles of issuers that many APIs meet: which answers each gives is in the table of `docs/issuers/`.

What is said to be from documentation only was never run against the vendor's own servers: try it before you rely on it.
"""

import re
from typing import Any

from upstile.server._errors import ConfigurationError
from upstile.server.resource.tokens._profile import AT_JWT, Claims, TokenProfile

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OF_ID_TOKENS = frozenset({"nonce", "at_hash", "c_hash"})


def rfc9068() -> TokenProfile:
    """The standard: upstile's own server, node oidc-provider with resource indicators, Logto.

    Run against oidc-provider 9.13.
    """
    return TokenProfile()


def keycloak() -> TokenProfile:
    """Keycloak, with its default header type and with `at+jwt`.

    Run against Keycloak 26.7, and against tokens that 26.5 signed. The payload's own `typ` tells access tokens
    (`Bearer`, `DPoP`) from ID tokens, refresh tokens and logout tokens. A client without the scopes `basic` and `acr`
    has tokens without `sub`, `auth_time` and `acr`; lightweight access tokens have none of them either, and need
    `IntrospectionVerifier`.
    """
    return TokenProfile(
        types=("jwt", AT_JWT),
        is_access_token=_is_of_keycloak,
        reads=("typ", "cnf"),
        client_id=("azp", "client_id"),
        other_audiences=("account",),
        cnf_marks={"kc-jkt-type": "DPoP"},  # beside `jkt`, from 26.7 on
        hints={
            "sub": "give the client the scope basic, or use IntrospectionVerifier for lightweight tokens",
            "aud": "give the client an audience mapper for this API",
        },
    )


def okta() -> TokenProfile:
    """Okta's custom authorization servers; tokens of the org server are not for your APIs.

    From documentation only. Ask by Okta's own names: `asks={"mfa": "urn:okta:loa:2fa:any"}` and
    `satisfies={"urn:okta:loa:2fa:any": {"mfa"}}`.
    """
    return TokenProfile(
        types=(None, "jwt"),
        is_access_token=lambda claims: "cid" in claims and "scp" in claims,
        reads=("cid", "scp"),
        client_id=("cid",),
        scope="scp",
        scope_is_list=True,
    )


def auth0(*, namespace: str) -> TokenProfile:
    """Auth0, both dialects of its access tokens.

    From documentation only. Auth0 puts neither `acr` nor `auth_time` into access tokens and reserves their names, so an
    Action has to put them under a namespace of yours: `{namespace}/acr` (a text or a list) and `{namespace}/auth_time`
    (seconds). An access token is told by its audience: an API, never the app itself.

    Args:
        namespace: a URL, such as `https://api.example.com`.

    Raises:
        ConfigurationError: it is none.
    """
    if not namespace.startswith(("https://", "http://")):
        raise ConfigurationError(f"namespace={namespace!r} must be a URL, such as https://api.example.com")
    prefix = namespace.rstrip("/") + "/"
    return TokenProfile(
        types=("jwt", AT_JWT),
        is_access_token=_is_of_auth0,
        reads=("aud", "azp", "client_id", *_OF_ID_TOKENS),
        client_id=("azp", "client_id"),
        acr=f"{prefix}acr",
        auth_time=f"{prefix}auth_time",
        jti=None,
        other_audiences=("/userinfo",),
        hints={"azp": "the token was made for no app"},
    )


def entra(*, tenant: str) -> TokenProfile:
    """Microsoft Entra ID: access tokens of one tenant, for one app registration.

    From documentation only. The authentication contexts of `acrs` (`c1` to `c25`) are the names that a token satisfies;
    `auth_time` is an optional claim of the API's registration. An ID token of the registration has the same audience:
    the claim `scp` tells. Tokens that an app has for itself (`idtyp`: `app`) are of no user and are not accepted.

    Args:
        tenant: the identifier of the tenant, a GUID in lower case; `common` would let any tenant in.

    Raises:
        ConfigurationError: it is none.
    """
    if not _GUID.fullmatch(tenant):
        raise ConfigurationError(f"tenant={tenant!r} must be the GUID of one tenant, in lower case")

    def is_access_token(claims: Claims) -> bool:
        return claims.get("tid") == tenant and bool(claims.get("scp")) and claims.get("idtyp", "user") == "user"

    return TokenProfile(
        types=("jwt",),
        is_access_token=is_access_token,
        reads=("tid", "scp", "idtyp"),
        client_id=("azp", "appid"),
        scope="scp",
        acr="acrs",
        jti="uti",
        hints={"aud": "set requestedAccessTokenVersion to 2 in the registration of the API"},
    )


def _is_of_keycloak(claims: Claims) -> bool:
    typ = claims.get("typ")
    return typ == "Bearer" or (typ == "DPoP" and bool(claims.get("cnf")))


def _is_of_auth0(claims: Claims) -> bool:
    audience: Any = claims["aud"]
    app: object = claims.get("azp") or claims.get("client_id")
    is_for_app: bool = app == audience if isinstance(audience, str) else app in audience
    return not is_for_app and _OF_ID_TOKENS.isdisjoint(claims)
