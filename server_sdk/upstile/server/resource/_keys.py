"""An issuer's public keys, each with the one algorithm that it verifies (RFC 7517, RFC 8725 §3.1)."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from upstile.protocol import es256_verifier
from upstile.server._errors import ConfigurationError

Verify = Callable[[bytes, bytes], bool]
"""Whether a signature (second) is right for a signing input (first)."""

_log = logging.getLogger("upstile.server")
_SHA256 = SHA256()
_PKCS1 = padding.PKCS1v15()
_MIN_RSA_BITS = 2048


class VerificationKeys:
    """The keys of one issuer, found by `kid` and `alg` together.

    A key that cannot be used is left out, and a line of the log says why: the issuer's other keys go on to verify.

    Args:
        jwks: the members of a JWK Set's `keys`; each needs a `kid`. A key that names another use is none of ours.

    Raises:
        ConfigurationError: no usable key is among them.
    """

    def __init__(self, jwks: Iterable[Mapping[str, Any]]) -> None:
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
        if not self._verify:
            found = "; ".join(reasons) or "it is empty"
            raise ConfigurationError(f"the issuer's JWK Set holds no key for ES256, EdDSA or RS256 with a kid: {found}")

    def find(self, kid: object, alg: object) -> Verify | None:
        """The verification for a token's header; `None` where the pair is unknown, `alg` none included."""
        if isinstance(kid, str) and isinstance(alg, str):
            return self._verify.get((kid, alg))
        return None


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
    names, verify = _verification(key, kid)
    if jwk.get("alg", names[0]) not in names:
        raise _Unusable(f"{kid!r} is for {jwk['alg']!r}")
    return {(kid, name): verify for name in names if jwk.get("alg", name) == name}


def _verification(key: object, kid: str) -> tuple[tuple[str, ...], Verify]:
    """The names of a key's one algorithm, and how it verifies."""
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return ("ES256",), es256_verifier(key)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return ("EdDSA", "Ed25519"), _eddsa(key)  # RFC 8037 §3.1 and RFC 9864 §2.2
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _MIN_RSA_BITS:
        return ("RS256",), _rs256(key)
    raise _Unusable(f"{kid!r} is neither P-256 nor Ed25519 nor RSA with at least {_MIN_RSA_BITS} bits")


def _eddsa(key: ed25519.Ed25519PublicKey) -> Verify:
    verify = key.verify

    def verified(signing_input: bytes, signature: bytes) -> bool:
        try:
            verify(signature, signing_input)
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
