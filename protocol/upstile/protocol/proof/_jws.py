"""ES256 over the compact JWS form (RFC 7515 §7.1, RFC 7518 §3.4): the one algorithm of our own tokens and proofs."""

from collections.abc import Callable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from upstile.protocol._encoding import base64url_encode, json_compact

_ES256 = ec.ECDSA(SHA256())
_HALF = 32
_SEQUENCE = (b"\x30\x44", b"\x30\x45", b"\x30\x46")
_INTEGER = (b"\x02\x20", b"\x02\x21\x00")


def es256_sign(key: ec.EllipticCurvePrivateKey, header: Mapping[str, Any], payload: Mapping[str, Any]) -> str:
    """Sign `payload` under `header`, which the caller has given its `alg`; returns the compact form."""
    return es256_compact(key, jws_header(header), json_compact(payload))


def jws_header(header: Mapping[str, Any]) -> str:
    """The first segment of a compact form; one that many tokens share is made once."""
    return base64url_encode(json_compact(header))


def es256_compact(key: ec.EllipticCurvePrivateKey, header: str, payload: bytes) -> str:
    """Sign `payload` under a header segment that the caller has ready; returns the compact form."""
    signing_input = f"{header}.{base64url_encode(payload)}"
    r, s = decode_dss_signature(key.sign(signing_input.encode("ascii"), _ES256))
    signature = r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")
    return f"{signing_input}.{base64url_encode(signature)}"


def es256_verifier(key: ec.EllipticCurvePublicKey) -> Callable[[bytes, bytes], bool]:
    """Makes the function that says whether a signature (second; r and s of 32 bytes each) fits a signing input."""
    verify = key.verify

    def verified(signing_input: bytes, signature: bytes) -> bool:
        if len(signature) != 2 * _HALF:
            return False
        r, s = signature[:_HALF], signature[_HALF:]
        if r[0] and s[0]:  # as almost always: the ASN.1 of RFC 3279 §2.2.3 is known but for the two sign bytes
            a, b = r[0] >> 7, s[0] >> 7
            der = _SEQUENCE[a + b] + _INTEGER[a] + r + _INTEGER[b] + s
        else:
            der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
        try:
            verify(der, signing_input, _ES256)
        except InvalidSignature:
            return False
        return True

    return verified
