"""What the embedded authorization server publishes of itself (RFC 8414)."""

from collections.abc import Iterable

from upstile.protocol import DPOP_ALGORITHMS, PROFILE_VERSION, ServerMetadata


def server_metadata(
    url: str, prefix: str, *, acr_values: tuple[str, ...] | None, methods: Iterable[str]
) -> ServerMetadata:
    """The document.

    Args:
        url: the issuer.
        prefix: the path below which its endpoints are.
        acr_values: what can be reached.
        methods: the names of the ways to confirm.
    """
    return ServerMetadata(
        issuer=url,
        authorization_challenge_endpoint=f"{url}{prefix}/challenge",
        token_endpoint=f"{url}{prefix}/token",
        authorization_endpoint=f"{url}{prefix}/authorize",
        jwks_uri=f"{url}{prefix}/jwks",
        revocation_endpoint=f"{url}{prefix}/revoke",
        authenticators_endpoint=f"{url}{prefix}/authenticators",
        response_types_supported=("code",),
        grant_types_supported=("authorization_code",),
        token_endpoint_auth_methods_supported=("none",),
        revocation_endpoint_auth_methods_supported=("none",),
        code_challenge_methods_supported=("S256",),
        acr_values_supported=acr_values,
        dpop_signing_alg_values_supported=DPOP_ALGORITHMS,
        authorization_response_iss_parameter_supported=True,
        authn_methods_supported=tuple(dict.fromkeys(methods)),
        upstile_profile_versions_supported=(PROFILE_VERSION,),
    )
