"""An issuer's public keys, each with the one algorithm that it verifies (RFC 7517, RFC 8725 §3.1)."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from upstile.protocol import es256_verifier
from upstile.server._errors import ConfigurationError

Verify = Callable[[bytes, bytes], bool]
"""Whether a signature (second) is right for a signing input (first)."""

_log = logging.getLogger("upstile.server")
_SHA256 = SHA256()
_PKCS1 = padding.PKCS1v15()
_PSS = padding.PSS(padding.MGF1(_SHA256), _SHA256.digest_size)  # RFC 7518 §3.5: the salt is as long as the hash
_ECDSA_384 = ec.ECDSA(SHA384())
_P384 = 48
_MIN_RSA_BITS = 2048


class VerificationKeys:
    """The keys of one issuer, found by `kid` and `alg` together.

    A key that cannot be used is left out, and a line of the log says why: the issuer's other keys go on to verify.

    Args:
        jwks: the members of a JWK Set's `keys`; each needs a `kid`. A key that names another use is none of ours.
        may_be_empty: it is no error that there is no key for us.

    Raises:
        ConfigurationError: no usable key is among them.
    """

    def __init__(self, jwks: Iterable[Mapping[str, Any]], *, may_be_empty: bool = False) -> None:
        self._verify: dict[tuple[str, str], Verify] = {}
        reasons: list[str] = []
        for jwk in jwks:
            if jwk.get("use", "sig") != "sig":
                continue
            try:
                self._verify |= _readable(jwk)
            except _Unusable as error:
                reasons.append(str(error))
                _log.warning("a key of the issuer is left out: %s", error)
        if not self._verify and not may_be_empty:
            found = "; ".join(reasons) or "it is empty"
            raise ConfigurationError(
                f"the issuer's JWK Set holds no key for ES256, ES384, EdDSA, PS256 or RS256 with a kid: {found}"
            )

    def find(self, kid: object, alg: object) -> Verify | None:
        """The verification for a token's header; `None` where the pair is unknown, `alg` none included."""
        if isinstance(kid, str) and isinstance(alg, str):
            return self._verify.get((kid, alg))
        return None

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be verified with them."""
        return not self._verify

    def has(self, kid: str) -> bool:
        """Whether there is a key of this name, for whatever algorithm."""
        return any(known == kid for known, _ in self._verify)


class _Unusable(Exception):
    """Why a key is left out."""


def _readable(jwk: Mapping[str, Any]) -> dict[tuple[str, str], Verify]:
    kid = jwk.get("kid")
    if not isinstance(kid, str) or not kid:
        raise _Unusable("it has no kid")
    try:
        # Without its `alg`: which algorithm a key may serve is said below, not by what PyJWT knows.
        key: object = PyJWK.from_dict({name: value for name, value in jwk.items() if name != "alg"}).key
    except (PyJWTError, ValueError, TypeError) as error:
        raise _Unusable(f"{kid!r} cannot be read: {error}") from error
    names, verify = _verification(key, kid, jwk.get("alg"))
    if jwk.get("alg", names[0]) not in names:
        raise _Unusable(f"{kid!r} is for {jwk['alg']!r}")
    return {(kid, name): verify for name in names if jwk.get("alg", name) == name}


def _verification(key: object, kid: str, alg: object) -> tuple[tuple[str, ...], Verify]:
    """The names of a key's one algorithm, and how it verifies; an RSA key that names none is for RS256."""
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return ("ES256",), es256_verifier(key)
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP384R1):
        return ("ES384",), _es384(key)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return ("EdDSA", "Ed25519"), _verifier(key.verify)  # RFC 8037 §3.1 and RFC 9864 §2.2
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _MIN_RSA_BITS:
        if alg == "PS256":
            return ("PS256",), _verifier(key.verify, _PSS, _SHA256)
        return ("RS256",), _verifier(key.verify, _PKCS1, _SHA256)
    raise _Unusable(f"{kid!r} is neither P-256 nor P-384 nor Ed25519 nor RSA with at least {_MIN_RSA_BITS} bits")


def _verifier(verify: Callable[..., None], *how: Any) -> Verify:
    def verified(signing_input: bytes, signature: bytes) -> bool:
        try:
            verify(signature, signing_input, *how)
        except InvalidSignature:
            return False
        return True

    return verified


def _es384(key: ec.EllipticCurvePublicKey) -> Verify:
    in_der = _verifier(key.verify, _ECDSA_384)

    def verified(signing_input: bytes, signature: bytes) -> bool:
        if len(signature) != 2 * _P384:
            return False
        r, s = int.from_bytes(signature[:_P384]), int.from_bytes(signature[_P384:])
        return in_der(signing_input, encode_dss_signature(r, s))

    return verified
