"""A DPoP proof is made (RFC 9449 §4.2), as a pure function: the caller passes the time and its identifier in."""

from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from upstile.protocol._encoding import base64url_encode
from upstile.protocol.proof._htu import normalized_htu
from upstile.protocol.proof._jwk import es256_jwk
from upstile.protocol.proof._jws import es256_sign


def create_proof(
    key: ec.EllipticCurvePrivateKey,
    *,
    htm: str,
    htu: str,
    now: float,
    jti: str,
    access_token: str | None = None,
    nonce: str | None = None,
) -> str:
    """Make a DPoP proof for one request (RFC 9449 §4.2).

    Args:
        key: a P-256 private key; its public half goes into the proof.
        htm: the request's method.
        htu: the request's URL; it is normalised, query and fragment are dropped.
        now: epoch seconds.
        jti: an identifier with at least 96 random bits, never used before.
        access_token: the token that the request presents, if any.
        nonce: the last `DPoP-Nonce` of this server, if any.

    Raises:
        MalformedMessage: `htu` is not a URL.
    """
    payload: dict[str, Any] = {
        "jti": jti,
        "htm": htm,
        "htu": normalized_htu(htu),
        "iat": int(now),
    }
    if access_token is not None:
        payload["ath"] = token_hash(access_token)
    if nonce is not None:
        payload["nonce"] = nonce
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": es256_jwk(key.public_key())}
    return es256_sign(key, header, payload)


def token_hash(access_token: str) -> str:
    """`ath`: the SHA-256 of the access token as base64url (RFC 9449 §4.2)."""
    return base64url_encode(sha256(access_token.encode()).digest())
