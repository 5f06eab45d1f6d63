"""What a WebAuthn challenge of a ceremony is made of, so that a relayed one is never signed (upstile profile §3).

Both halves compute it: the authorization server to offer it, the client before it asks the person for anything.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import rfc8785

from upstile.protocol._errors import MalformedMessage

_CONTEXT = b"upstile/1\x00"


def bound_challenge(
    *,
    nonce: str,
    iss: str,
    client_id: str,
    jkt: str | None,
    resource: str,
    authorization_details: Sequence[Any] = (),
) -> bytes:
    """The 32 bytes that an authenticator signs for exactly this purpose.

    Args:
        nonce: 32 random bytes as base64url, chosen by the server for this step.
        iss: the authorization server's issuer identifier.
        client_id: the app.
        jkt: the thumbprint of the ceremony's DPoP key, or `None` where the ceremony is not bound.
        resource: the resource identifier that the token will be for.
        authorization_details: what is approved (RFC 9396), or nothing.

    Raises:
        MalformedMessage: details that JSON Canonicalization (RFC 8785) cannot express.
    """
    bound = {
        "nonce": nonce,
        "iss": iss,
        "client_id": client_id,
        "jkt": jkt,
        "resource": resource,
        "authorization_details": list(authorization_details),
    }
    try:
        return sha256(_CONTEXT + rfc8785.dumps(bound)).digest()
    except rfc8785.CanonicalizationError as error:
        raise MalformedMessage("the details cannot be put into canonical JSON") from error
