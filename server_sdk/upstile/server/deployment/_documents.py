"""The documents by which a deployment is found: the resource (RFC 9728), the authorization server (RFC 8414)."""

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from upstile.protocol import DPOP_ALGORITHMS, PROFILE_VERSION, ResourceMetadata, ServerMetadata, well_known_url
from upstile.server.authorization.methods import Method
from upstile.server.resource._issuer import Issuer


def resource_metadata(
    *, url: str, name: str, issuers: Iterable[Issuer], scopes: Iterable[str], dpop: bool = True
) -> ResourceMetadata:
    """What an API says of itself (RFC 9728 §2)."""
    return ResourceMetadata(
        resource=url,
        resource_name=name,
        authorization_servers=tuple(issuer.identifier for issuer in issuers),
        scopes_supported=tuple(scopes) or None,
        bearer_methods_supported=("header",),
        dpop_signing_alg_values_supported=DPOP_ALGORITHMS if dpop else None,
    )


def server_metadata(
    url: str, prefix: str, methods: Sequence[Method], acr_values: Sequence[str] | None
) -> ServerMetadata:
    """The embedded authorization server."""
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
        acr_values_supported=None if acr_values is None else tuple(acr_values),
        dpop_signing_alg_values_supported=DPOP_ALGORITHMS,
        authorization_response_iss_parameter_supported=True,
        authn_methods_supported=tuple(dict.fromkeys(method.traits.name for method in methods)),
        upstile_profile_versions_supported=(PROFILE_VERSION,),
    )


def path_of(url: str, document: str) -> str:
    """The path at which a document about a base URL is read: outside its own path, at the root of the host."""
    return urlsplit(well_known_url(url, document)).path
