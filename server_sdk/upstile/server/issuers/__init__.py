"""Issuers of access tokens that are not our own: Keycloak, Auth0, Okta, Entra, any OpenID provider.

```python
server = StepUp(
    url="https://api.example.com",
    verifier=JWTVerifier(issuer="https://id.example.com/realms/bank", profile=keycloak()),
)
```
"""

from importlib.util import find_spec

if find_spec("httpx") is None:
    raise ImportError("upstile.server.issuers needs httpx: pip install 'upstile[issuers]'")

from upstile.server.issuers._introspection import IntrospectionVerifier
from upstile.server.issuers._jwt_verifier import JWTVerifier
from upstile.server.issuers._presets import auth0, entra, keycloak, okta, rfc9068
from upstile.server.resource._external_logins import ExternalLogins
from upstile.server.resource.tokens._profile import TokenProfile

__all__ = [
    "ExternalLogins",
    "IntrospectionVerifier",
    "JWTVerifier",
    "TokenProfile",
    "auth0",
    "entra",
    "keycloak",
    "okta",
    "rfc9068",
]
