"""What a person holds: a phone with an authenticator app, and a passkey."""

import hmac
import json
from base64 import b32decode
from hashlib import sha256
from math import ceil
from secrets import token_bytes
from typing import Any
from urllib.parse import parse_qs, urlsplit

from interop.raw.wire import Key, Wire, b64, expect

UP, UV, AT = 0x01, 0x04, 0x40  # WebAuthn Level 3 §6.1


def one_time_code(secret: bytes, step: int, *, digits: int = 6, algorithm: str = "sha1") -> str:
    """RFC 6238 §4, RFC 4226 §5.3."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), algorithm)
    start = mac[-1] & 15
    return f"{(int.from_bytes(mac[start : start + 4], 'big') & 0x7FFFFFFF) % 10**digits:0{digits}}"


class Phone:
    """An authenticator app: TOTP as its otpauth URI says."""

    def __init__(self, wire: Wire, uri: str) -> None:
        parts = urlsplit(uri)
        expect((parts.scheme, parts.netloc) == ("otpauth", "totp"), "an otpauth://totp/ URI", f"{parts.scheme}:")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.secret = b32decode(query["secret"] + "=" * (-len(query["secret"]) % 8))
        self.digits, self.period = int(query.get("digits", "6")), int(query.get("period", "30"))
        self.algorithm, self.wire = query.get("algorithm", "SHA1").lower(), wire
        expect(len(self.secret) >= 16, "a secret of at least 128 bits (RFC 4226 §4)", f"{len(self.secret)} bytes")
        expect(self.period == 30, "a period of 30 s (profile §7)", self.period)

    def code(self, ahead: int = 0) -> str:
        step = int(self.wire.now()) // self.period + ahead
        return one_time_code(self.secret, step, digits=self.digits, algorithm=self.algorithm)

    def fresh(self) -> str:
        """A code of a later step than any before; the clock then stands early in that step."""
        self.wire.wait(ceil(self.period - self.wire.now() % self.period) + 2)
        return self.code()

    def wrong(self) -> str:
        right = {self.code(step) for step in (-1, 0, 1)}
        return next(code for code in (f"{n:0{self.digits}}" for n in range(4)) if code not in right)


class Passkey:
    """A software authenticator with user verification and without attestation (WebAuthn Level 3 §6)."""

    def __init__(self, origin: str) -> None:
        self.origin, self.key, self.id, self.count, self.user = origin, Key(), token_bytes(32), 0, ""

    def register(self, options: dict[str, Any]) -> dict[str, Any]:
        """§6.5.1 attested credential data, §8.7 `none`; the CBOR (RFC 8949) is a map or two by hand."""
        self.user = options["user"]["id"]
        cose = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" + self.key.x + b"\x22\x58\x20" + self.key.y
        credential = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cose
        data = self._data(options["rp"]["id"], UP | UV | AT) + credential
        attestation = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58" + bytes([len(data)]) + data
        client = self._client_data("webauthn.create", options["challenge"])
        response = {
            "clientDataJSON": b64(client),
            "attestationObject": b64(attestation),
            "authenticatorData": b64(data),
        }
        return self._credential({**response, "transports": ["internal"], "publicKeyAlgorithm": -7})

    def sign(self, options: dict[str, Any], flags: int = UP | UV) -> str:
        """§6.3.3, as the JSON text of an AuthenticationResponseJSON."""
        self.count += 1
        data, client = self._data(options["rpId"], flags), self._client_data("webauthn.get", options["challenge"])
        parts = (data, client, self.key.der(data + sha256(client).digest()))
        names = ("authenticatorData", "clientDataJSON", "signature")
        response = {name: b64(part) for name, part in zip(names, parts, strict=True)}
        return json.dumps(self._credential({**response, "userHandle": self.user}))

    def _data(self, rp_id: str, flags: int) -> bytes:
        return sha256(rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client_data(self, kind: str, text: str) -> bytes:
        return json.dumps({"type": kind, "challenge": text, "origin": self.origin, "crossOrigin": False}).encode()

    def _credential(self, response: dict[str, Any]) -> dict[str, Any]:
        whole = {"id": b64(self.id), "rawId": b64(self.id), "type": "public-key", "response": response}
        return {**whole, "authenticatorAttachment": "platform", "clientExtensionResults": {}}
