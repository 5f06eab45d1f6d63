"""Keys that take long to check a signature with: whoever registers one brings it, and we check on the event loop.

For RSA the time grows with the length of the public exponent and the square of the modulus's; authenticators use 65537.
A library may check a whole chain of certificates before it asks whether anybody knows its root.
"""

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_der_x509_certificate
from webauthn.helpers import parse_authenticator_data, parse_cbor

MOST_BITS = 4096
MOST_EXPONENT = 65537
MOST_CERTIFICATES = 4
_FORMATS = frozenset({"none", "packed", "tpm", "android-key", "fido-u2f", "apple"})
"""Those of WebAuthn §8 but for `android-safetynet`, which ended in 2025, and hides its certificates in a JWS."""
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_KTY, _RSA, _N, _E = 1, 3, -1, -2
"""Labels and values of a COSE key (RFC 9052 §7.1, RFC 8230 §4)."""


class Slow(ValueError):
    """Checking a signature with this key would take long."""


def check_keys(attestation: bytes) -> None:
    """Check the new key in an attestation object, and those that signed it (WebAuthn §6.5.4, §8).

    Raises:
        Slow: one of them is of another kind or size than authenticators have, or there are too many.
        Exception: the bytes are no attestation object.
    """
    members = parse_cbor(attestation)
    attested = parse_authenticator_data(members["authData"]).attested_credential_data
    key: dict[int, Any] = parse_cbor(attested.credential_public_key) if attested else {}
    if key.get(_KTY) == _RSA:
        _check(int.from_bytes(key[_N], "big"), int.from_bytes(key[_E], "big"))
    chain = members["attStmt"].get("x5c", ())
    if members["fmt"] not in _FORMATS or len(chain) > MOST_CERTIFICATES:
        raise Slow("a format that is not known, or a long chain of certificates")
    for certificate in chain:
        _check_signer(load_der_x509_certificate(certificate).public_key())


def _check_signer(signer: object) -> None:
    if isinstance(signer, RSAPublicKey):
        numbers = signer.public_numbers()
        _check(numbers.n, numbers.e)
    elif isinstance(signer, ec.EllipticCurvePublicKey):
        if not isinstance(signer.curve, _CURVES):
            raise Slow("a curve that no authenticator uses")
    elif not isinstance(signer, ed25519.Ed25519PublicKey):
        raise Slow("a key of a kind that no authenticator uses")


def _check(n: int, e: int) -> None:
    if n.bit_length() > MOST_BITS or e > MOST_EXPONENT:
        raise Slow("an RSA key whose signatures take long to check")
