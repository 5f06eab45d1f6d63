"""What a key has made, as it stands on the wire: `RegistrationResponseJSON` (WebAuthn Level 3 §5.1), all of it."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fido2.ctap import CtapDevice, CtapError
from fido2.ctap2.base import Ctap2
from fido2.hid import CtapHidDevice
from fido2.webauthn import RegistrationResponse

from upstile.protocol import base64url_encode

_ES256, _EDDSA, _RS256 = -7, -8, -257
_ALGORITHM, _CURVE, _X, _Y, _N, _E = 3, -1, -2, -3, -1, -2  # labels of COSE keys (RFC 9053 §7.1, RFC 8230 §4)
_P256, _ED25519 = 1, 6
_WAYS = frozenset({"ble", "hybrid", "internal", "nfc", "smart-card", "usb"})


def registration_json(made: RegistrationResponse, transports: Iterable[str]) -> dict[str, Any]:
    """All members that the standard has; `publicKey` is absent where it says so, for an algorithm that we cannot read.

    Args:
        made: what python-fido2 made of the key's answer.
        transports: how the key can be reached (`ways_of`).
    """
    data = made.response.attestation_object.auth_data
    attested = data.credential_data
    key: Mapping[int, Any] = {} if attested is None else cast(Mapping[int, Any], attested.public_key)
    members: dict[str, Any] = dict(made)
    response: dict[str, Any] = {
        **members["response"],
        "authenticatorData": base64url_encode(data),
        "transports": sorted(transports),
        "publicKeyAlgorithm": key.get(_ALGORITHM),
    }
    public = _spki(key)
    return {**members, "response": response if public is None else {**response, "publicKey": base64url_encode(public)}}


def ways_of(device: CtapDevice) -> frozenset[str]:
    """How a key can be reached: what it says itself (CTAP 2.1 §6.4), and the way that it is reached now."""
    try:
        said = Ctap2(device).info.transports
    except (CtapError, ValueError, OSError):
        said = []
    return _WAYS & {*said, *(["usb"] if isinstance(device, CtapHidDevice) else [])}


def known_ways(given: object) -> list[str]:
    """The ways in a hint of the server's that we know; any other hint is none."""
    ways: list[object] = given if isinstance(given, list) else []  # pyright: ignore[reportUnknownVariableType]
    return [way for way in ways if isinstance(way, str) and way in _WAYS]


def _spki(key: Mapping[int, Any]) -> bytes | None:
    """A COSE key as SubjectPublicKeyInfo, for the three algorithms that everybody has to know (§5.2.1.1)."""
    try:
        public = _public_key(key)
    except (LookupError, TypeError, ValueError):
        return None
    return None if public is None else public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _public_key(
    key: Mapping[int, Any],
) -> ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey | None:
    algorithm = key.get(_ALGORITHM)
    if algorithm == _ES256 and key[_CURVE] == _P256:
        x, y = int.from_bytes(key[_X], "big"), int.from_bytes(key[_Y], "big")
        return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    if algorithm == _EDDSA and key[_CURVE] == _ED25519:
        return ed25519.Ed25519PublicKey.from_public_bytes(key[_X])
    if algorithm == _RS256:
        n, e = int.from_bytes(key[_N], "big"), int.from_bytes(key[_E], "big")
        return rsa.RSAPublicNumbers(e, n).public_key()
    return None
