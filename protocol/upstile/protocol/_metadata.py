"""The two documents of discovery: protected resource (RFC 9728) and authorization server metadata (RFC 8414)."""

from upstile.protocol._message import Message

PROFILE_VERSION = "1"
"""The version of the profile that both halves speak."""


class ResourceMetadata(Message):
    """OAuth 2.0 Protected Resource Metadata (RFC 9728 §2)."""

    resource: str
    authorization_servers: tuple[str, ...] = ()
    scopes_supported: tuple[str, ...] | None = None
    bearer_methods_supported: tuple[str, ...] | None = None
    dpop_signing_alg_values_supported: tuple[str, ...] | None = None
    dpop_bound_access_tokens_required: bool | None = None
    resource_name: str | None = None


class ServerMetadata(Message):
    """OAuth 2.0 Authorization Server Metadata (RFC 8414 §2) with the members that the upstile profile adds.

    `end_session_endpoint` and `claims_parameter_supported` are those of OpenID providers (OpenID Connect Discovery §3,
    RP-Initiated Logout §2.1).

    An absent `dpop_signing_alg_values_supported` means that DPoP is off and that proofs are ignored.
    """

    issuer: str
    authorization_challenge_endpoint: str | None = None
    token_endpoint: str | None = None
    authorization_endpoint: str | None = None
    pushed_authorization_request_endpoint: str | None = None
    end_session_endpoint: str | None = None
    jwks_uri: str | None = None
    revocation_endpoint: str | None = None
    authenticators_endpoint: str | None = None
    response_types_supported: tuple[str, ...] = ()
    grant_types_supported: tuple[str, ...] | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] | None = None
    revocation_endpoint_auth_methods_supported: tuple[str, ...] | None = None
    code_challenge_methods_supported: tuple[str, ...] | None = None
    claims_parameter_supported: bool | None = None
    acr_values_supported: tuple[str, ...] | None = None
    dpop_signing_alg_values_supported: tuple[str, ...] | None = None
    authorization_details_types_supported: tuple[str, ...] | None = None
    authorization_response_iss_parameter_supported: bool | None = None
    authn_methods_supported: tuple[str, ...] | None = None
    upstile_profile_versions_supported: tuple[str, ...] | None = None
