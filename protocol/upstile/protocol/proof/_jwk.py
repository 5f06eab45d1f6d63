"""Public keys as JSON Web Keys and their thumbprints (RFC 7517, RFC 7638)."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from upstile.protocol._encoding import base64url_decode, base64url_encode, json_compact
from upstile.protocol._errors import MalformedMessage

# RFC 7638 §3.2 and RFC 8037 §2: the members that take part in the thumbprint, in lexicographic order.
_THUMBPRINT_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_P256_SIZE = 32


def es256_jwk(key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """The public JWK of a P-256 key (RFC 7518 §6.2.1)."""
    numbers = key.public_numbers()
    x, y = (base64url_encode(n.to_bytes(_P256_SIZE, "big")) for n in (numbers.x, numbers.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def es256_key(jwk: Mapping[str, Any]) -> ec.EllipticCurvePublicKey:
    """Read a public P-256 JWK.

    Raises:
        MalformedMessage: a private key, another key type or curve, or a point that is not on the curve.
    """
    if not _PRIVATE_MEMBERS.isdisjoint(jwk):
        raise MalformedMessage("a private key where a public one belongs")
    if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256":
        raise MalformedMessage("not a P-256 key")
    x, y = (_coordinate(jwk.get(name)) for name in ("x", "y"))
    try:
        return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except ValueError as error:
        raise MalformedMessage("not a point on P-256") from error


def jwk_thumbprint(jwk: Mapping[str, Any]) -> str:
    """The SHA-256 thumbprint of a public key, as base64url (RFC 7638 §3).

    Raises:
        MalformedMessage: an unknown key type or a required member that is missing or no text.
    """
    members = _THUMBPRINT_MEMBERS.get(str(jwk.get("kty")))
    if members is None or not all(isinstance(jwk.get(name), str) for name in members):
        raise MalformedMessage("not a public JSON Web Key")
    return base64url_encode(sha256(json_compact({name: jwk[name] for name in members})).digest())


def _coordinate(value: object) -> int:
    if not isinstance(value, str):
        raise MalformedMessage("a coordinate is missing")
    octets = base64url_decode(value)
    if len(octets) != _P256_SIZE:
        raise MalformedMessage("a coordinate of the wrong size")
    return int.from_bytes(octets, "big")
