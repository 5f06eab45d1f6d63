"""The key's PIN: PIN/UV auth protocol two, with tries that really run out (CTAP 2.1 §6.5)."""

import hmac
import os
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from fido2.ctap import CtapError

PROTOCOL = 2
_TRIES = 8
_IN_A_ROW = 3
_GET_RETRIES, _GET_KEY_AGREEMENT, _GET_TOKEN, _GET_TOKEN_WITH_PERMISSIONS = 1, 2, 5, 9
_EC2, _P256, _ECDH_ES_HKDF_256 = 2, 1, -25  # COSE: key type, curve, algorithm


class ClientPin:
    """The PIN of one key.

    Args:
        pin: the PIN, or `None` for a key without one.
    """

    # NOTE: setting and changing the PIN is left to the constructor; a test gives the key the PIN that it needs.

    def __init__(self, pin: str | None) -> None:
        self._pin = None if pin is None else sha256(pin.encode()).digest()[:16]
        self._tries, self._in_a_row = _TRIES, 0
        self._agreement = ec.generate_private_key(ec.SECP256R1())
        self._token = os.urandom(32)

    @property
    def is_set(self) -> bool:
        """Whether there is a PIN."""
        return self._pin is not None

    def command(self, request: Mapping[int, Any]) -> dict[int, Any]:
        """The command `authenticatorClientPIN`."""
        sub = request.get(2)
        if sub == _GET_RETRIES:
            return {3: self._tries, 4: self._in_a_row >= _IN_A_ROW}
        if request.get(1) != PROTOCOL:
            raise CtapError(CtapError.ERR.INVALID_PARAMETER)
        if sub == _GET_KEY_AGREEMENT:
            return {1: self._public_agreement()}
        if sub in (_GET_TOKEN, _GET_TOKEN_WITH_PERMISSIONS):
            return {2: self._give_token(request)}
        raise CtapError(CtapError.ERR.INVALID_SUBCOMMAND)

    def verified(self, param: bytes | None, protocol: int | None, message: bytes) -> bool:
        """Whether a request carries a proof of the token, and so of the PIN; a wrong proof is an error."""
        if param is None:
            return False
        if protocol != PROTOCOL or not hmac.compare_digest(hmac.digest(self._token, message, "sha256"), param):
            raise CtapError(CtapError.ERR.PIN_AUTH_INVALID)
        return True

    def _give_token(self, request: Mapping[int, Any]) -> bytes:
        if self._pin is None:
            raise CtapError(CtapError.ERR.PIN_NOT_SET)
        if self._tries == 0:
            raise CtapError(CtapError.ERR.PIN_BLOCKED)
        if self._in_a_row >= _IN_A_ROW:
            raise CtapError(CtapError.ERR.PIN_AUTH_BLOCKED)
        self._tries -= 1  # counted before it is compared (CTAP 2.1 §6.5.5.7)
        secret = self._shared_secret(request[3])
        if not hmac.compare_digest(_decrypt(secret, request[6]), self._pin):
            raise self._wrong()
        self._tries, self._in_a_row = _TRIES, 0
        self._token = os.urandom(32)
        return _encrypt(secret, self._token)

    def _wrong(self) -> CtapError:
        self._in_a_row += 1
        self._agreement = ec.generate_private_key(ec.SECP256R1())
        if self._tries == 0:
            return CtapError(CtapError.ERR.PIN_BLOCKED)
        if self._in_a_row >= _IN_A_ROW:
            return CtapError(CtapError.ERR.PIN_AUTH_BLOCKED)
        return CtapError(CtapError.ERR.PIN_INVALID)

    def _public_agreement(self) -> dict[int, Any]:
        numbers = self._agreement.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        return {1: _EC2, 3: _ECDH_ES_HKDF_256, -1: _P256, -2: x, -3: y}

    def _shared_secret(self, peer: Mapping[int, Any]) -> bytes:
        """AES key of the exchange (CTAP 2.1 §6.5.7)."""
        x, y = (int.from_bytes(peer[label], "big") for label in (-2, -3))
        public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        shared = self._agreement.exchange(ec.ECDH(), public)
        return HKDF(SHA256(), 32, b"\0" * 32, b"CTAP2 AES key").derive(shared)


def _encrypt(key: bytes, plain: bytes) -> bytes:
    iv = os.urandom(16)
    encryptor = Cipher(AES(key), CBC(iv)).encryptor()
    return iv + encryptor.update(plain) + encryptor.finalize()


def _decrypt(key: bytes, sealed: bytes) -> bytes:
    decryptor = Cipher(AES(key), CBC(sealed[:16])).decryptor()
    return decryptor.update(sealed[16:]) + decryptor.finalize()
