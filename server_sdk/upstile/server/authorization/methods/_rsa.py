"""RSA keys that take long to check a signature with: whoever registers one brings it, and we check on the event loop.

The time grows with the length of the public exponent and the square of the modulus's. Authenticators use 65537.
"""

from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_der_x509_certificate
from webauthn.helpers import parse_authenticator_data, parse_cbor

MOST_BITS = 4096
MOST_EXPONENT = 65537
_KTY, _RSA, _N, _E = 1, 3, -1, -2
"""Labels and values of a COSE key (RFC 9052 §7.1, RFC 8230 §4)."""


class Slow(ValueError):
    """Checking a signature with this key would take long."""


def check_keys(attestation: bytes) -> None:
    """Check the new key in an attestation object, and the one that signed it (WebAuthn §6.5.4, §8.2).

    Raises:
        Slow: one of them is an RSA key of another size than authenticators have.
        Exception: the bytes are no attestation object.
    """
    members = parse_cbor(attestation)
    attested = parse_authenticator_data(members["authData"]).attested_credential_data
    key: dict[int, Any] = parse_cbor(attested.credential_public_key) if attested else {}
    if key.get(_KTY) == _RSA:
        _check(int.from_bytes(key[_N], "big"), int.from_bytes(key[_E], "big"))
    for certificate in members["attStmt"].get("x5c", ())[:1]:
        signer = load_der_x509_certificate(certificate).public_key()
        if isinstance(signer, RSAPublicKey):
            numbers = signer.public_numbers()
            _check(numbers.n, numbers.e)


def _check(n: int, e: int) -> None:
    if n.bit_length() > MOST_BITS or e > MOST_EXPONENT:
        raise Slow("an RSA key whose signatures take long to check")
