"""What other resource servers say where RFC 9470 has its challenge: each its own small function.

They are read only: what we write is the standard's.
"""

from binascii import Error as NoBase64
from binascii import a2b_base64
from collections.abc import Iterable
from typing import Any

from upstile.protocol._encoding import json_object
from upstile.protocol._errors import MalformedMessage
from upstile.protocol.challenge._challenge import SCHEMES, StepUpChallenge, requirement_in
from upstile.protocol.challenge._header import AuthChallenge
from upstile.protocol.challenge._requirement import Requirement

_LONGEST = 4096


def okta(status: int, challenge: AuthChallenge) -> StepUpChallenge | None:
    """Okta's 403: as RFC 9470, by another code.

    `Bearer realm="IdpMyAccountAPI", error="insufficient_authentication_context", error_description="The access token
    requires additional assurance to access the resource", max_age=900` (Okta, MyAccount API).
    """
    if status != 403 or challenge.params.get("error") != "insufficient_authentication_context":
        return None
    found = requirement_in(challenge, scope="")
    return None if found is None or not found.authenticates else _as(challenge, found)


def entra(status: int, challenge: AuthChallenge) -> StepUpChallenge | None:
    """Microsoft's claims challenge: base64 of a claims request, whose `acrs` is an authentication context.

    `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize",
    error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6…"` (Microsoft: claims challenges, claims
    requests and client capabilities). One that asks for anything else, such as `nbf` after a revocation, is none that a
    step-up answers.
    """
    if status != 401 or challenge.params.get("error") != "insufficient_claims":
        return None
    context = _context_in(challenge.params.get("claims", ""))
    try:
        return None if context is None else _as(challenge, Requirement(acr=context))
    except ValueError:
        return None


def mcp(status: int, challenge: AuthChallenge) -> StepUpChallenge | None:
    """The 403 of RFC 6750 §3.1 that names scopes, which the client shall ask for (Model Context Protocol).

    `Bearer error="insufficient_scope", scope="files:read files:write",
    resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource",
    error_description="Additional file write permission required"` (MCP, "Scope Challenge Handling").
    """
    if status != 403 or challenge.params.get("error") != "insufficient_scope":
        return None
    scope = challenge.params.get("scope", "").split()
    try:
        return _as(challenge, Requirement(scope=scope)) if scope else None
    except ValueError:
        return None


DIALECTS = (okta, entra, mcp)


def _as(challenge: AuthChallenge, requirement: Requirement) -> StepUpChallenge:
    where = challenge.params.get("resource_metadata")
    return StepUpChallenge(scheme=challenge.scheme, requirement=requirement, resource_metadata=where)


def _context_in(claims: str) -> str | None:
    """The authentication context that a claims request asks for in the access token."""
    if len(claims) > _LONGEST:
        return None
    try:
        # In either alphabet, with or without padding: both are met.
        text = claims.replace("-", "+").replace("_", "/").rstrip("=")
        asked: Any = json_object(a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True))["access_token"]
        value = asked["acrs"]["value"]
    except (NoBase64, MalformedMessage, ValueError, KeyError, TypeError):
        return None
    return value if isinstance(value, str) else None


def find_dialect(status: int, challenges: Iterable[AuthChallenge]) -> StepUpChallenge | None:
    """The first challenge that another resource server's way of saying it makes one."""
    for challenge in challenges:
        if challenge.scheme not in SCHEMES:
            continue
        for read in DIALECTS:
            if (found := read(status, challenge)) is not None:
                return found
    return None
