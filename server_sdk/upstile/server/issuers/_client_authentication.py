"""How the API proves to an issuer who is asking (RFC 6749 §2.3.1, RFC 7523 §2.2)."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import quote_plus
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from upstile.server._errors import ConfigurationError

ASSERTION_LIFE = 60
"""Seconds that an assertion is good for."""
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SigningKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
SecretMethod = Literal["client_secret_basic", "client_secret_post"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What goes into a request."""

    form: Mapping[str, str]
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return "Credentials(...)"


class ClientAuthentication(Protocol):
    """Makes credentials for a request at a time (epoch seconds)."""

    def __call__(self, now: float) -> Credentials:
        """Credentials, new ones where they serve once."""
        ...


def by_secret(client_id: str, secret: str, method: SecretMethod) -> ClientAuthentication:
    """`client_secret_basic` or `client_secret_post`.

    Raises:
        ConfigurationError: another method.
    """
    if method == "client_secret_post":
        posted = Credentials({"client_id": client_id, "client_secret": secret}, {})
        return lambda now: posted
    if method != "client_secret_basic":
        raise ConfigurationError(f"method={method!r} must be client_secret_basic or client_secret_post")
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()
    basic = Credentials({}, {"authorization": f"Basic {b64encode(pair).decode()}"})
    return lambda now: basic


def by_key(client_id: str, pem: str | bytes, kid: str | None, audience: str) -> ClientAuthentication:
    """`private_key_jwt`; the assertion is for the issuer, whatever endpoint it is sent to.

    Raises:
        ConfigurationError: the key cannot be used.
    """
    key, algorithm = _signing_key(pem)
    headers = {} if kid is None else {"kid": kid}

    def sign(now: float) -> Credentials:
        claims = {"iss": client_id, "sub": client_id, "aud": audience, "jti": uuid4().hex, "iat": int(now)}
        assertion = jwt.encode({**claims, "exp": int(now) + ASSERTION_LIFE}, key, algorithm, headers=headers)
        form = {"client_id": client_id, "client_assertion_type": _ASSERTION_TYPE, "client_assertion": assertion}
        return Credentials(form, {})

    return sign


def _signing_key(
    pem: str | bytes,
) -> tuple[ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey, str]:
    try:
        key = load_pem_private_key(pem.encode() if isinstance(pem, str) else pem, password=None)
    except (ValueError, TypeError) as error:
        raise ConfigurationError("private_key must be a PEM without a password") from error
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key, "ES256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key, "EdDSA"
    if isinstance(key, rsa.RSAPrivateKey):
        return key, "RS256"
    raise ConfigurationError("private_key must be P-256, Ed25519 or RSA")
