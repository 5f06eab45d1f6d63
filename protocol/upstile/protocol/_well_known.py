"""Where the documents of discovery are, and which URLs one speaks for (RFC 8414, RFC 9728)."""

from urllib.parse import urlsplit

RESOURCE_METADATA_PATH = "/.well-known/oauth-protected-resource"
"""Where an API says who its issuers are (RFC 9728 §3)."""
SERVER_METADATA_PATH = "/.well-known/oauth-authorization-server"
"""Where an authorization server describes itself (RFC 8414 §3)."""
OPENID_METADATA_PATH = "/.well-known/openid-configuration"
"""The same for an OpenID provider (OpenID Connect Discovery 1.0 §4)."""


def well_known_url(identifier: str, path: str) -> str:
    """Where a document lives: the well-known path goes between host and path (RFC 8414 §3.1, RFC 9728 §3.1)."""
    parts = urlsplit(identifier)
    own_path = parts.path if parts.path != "/" else ""
    return f"{parts.scheme}://{parts.netloc}{path}{own_path}"


def resource_covers(resource: str, url: str) -> bool:
    """Whether `resource` is the origin of `url` or a whole-segment prefix of it (RFC 9728 §3.3, profile §2)."""
    try:
        prefix, target = urlsplit(resource), urlsplit(url)
    except ValueError:
        return False
    if prefix.query or prefix.fragment or (prefix.scheme, prefix.netloc) != (target.scheme, target.netloc):
        return False
    segments = prefix.path.rstrip("/")
    return target.path == segments or target.path.startswith(segments + "/") or not segments
