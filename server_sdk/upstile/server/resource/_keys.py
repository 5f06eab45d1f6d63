"""An issuer's public keys, each with the one algorithm that it verifies (RFC 7517, RFC 8725 §3.1)."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from upstile.server._errors import ConfigurationError

Verify = Callable[[bytes, bytes], bool]
"""Whether a signature (second) is right for a signing input (first)."""

_ES256 = ec.ECDSA(SHA256())
_SHA256 = SHA256()
_PKCS1 = padding.PKCS1v15()
_MIN_RSA_BITS = 2048


class VerificationKeys:
    """The keys of one issuer, found by `kid` and `alg` together.

    Args:
        jwks: the members of a JWK Set's `keys`; each needs a `kid`, and a key that names another use is left out.

    Raises:
        ConfigurationError: no usable key is among them.
    """

    def __init__(self, jwks: Iterable[Mapping[str, Any]]) -> None:
        self._verify = dict(_readable(jwk) for jwk in jwks if jwk.get("use", "sig") == "sig")
        if not self._verify:
            raise ConfigurationError("the issuer's JWK Set holds no key for ES256 or RS256 with a kid")

    def find(self, kid: object, alg: object) -> Verify | None:
        """The verification for a token's header; `None` where the pair is unknown, `alg` none included."""
        if isinstance(kid, str) and isinstance(alg, str):
            return self._verify.get((kid, alg))
        return None


def _readable(jwk: Mapping[str, Any]) -> tuple[tuple[str, str], Verify]:
    try:
        key: object = PyJWK.from_dict(dict(jwk)).key
    except PyJWTError as error:
        raise ConfigurationError(f"a key of the issuer cannot be read: {error}") from error
    kid = str(jwk.get("kid") or "")
    if not kid:
        raise ConfigurationError("a key of the issuer has no kid")
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return (kid, "ES256"), _es256(key)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _MIN_RSA_BITS and jwk.get("alg", "RS256") == "RS256":
        return (kid, "RS256"), _rs256(key)
    raise ConfigurationError(f"the key {kid!r} is neither P-256 nor RSA with at least {_MIN_RSA_BITS} bits")


def _es256(key: ec.EllipticCurvePublicKey) -> Verify:
    verify = key.verify

    def verified(signing_input: bytes, signature: bytes) -> bool:
        if len(signature) != 64:
            return False
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        try:
            verify(encode_dss_signature(r, s), signing_input, _ES256)
        except InvalidSignature:
            return False
        return True

    return verified


def _rs256(key: rsa.RSAPublicKey) -> Verify:
    verify = key.verify

    def verified(signing_input: bytes, signature: bytes) -> bool:
        try:
            verify(signature, signing_input, _PKCS1, _SHA256)
        except InvalidSignature:
            return False
        return True

    return verified
