"""A credential of the software key: a key pair, whose it is, and how often it signed (WebAuthn Level 3 §6.1)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from fido2 import cbor
from fido2.cose import CoseKey

ES256, EDDSA = -7, -8
USER_PRESENT, USER_VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@dataclass
class Credential:
    """One key pair for one relying party."""

    algorithm: int
    rp_id: str
    user: Mapping[str, Any]
    resident: bool
    private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey = field(repr=False)
    id: bytes = field(default_factory=lambda: os.urandom(32))
    count: int = 0

    @classmethod
    def make(cls, algorithm: int, rp_id: str, user: Mapping[str, Any], *, resident: bool) -> "Credential":
        """A fresh key pair."""
        private = (
            ed25519.Ed25519PrivateKey.generate() if algorithm == EDDSA else ec.generate_private_key(ec.SECP256R1())
        )
        return cls(algorithm=algorithm, rp_id=rp_id, user=user, resident=resident, private=private)

    @property
    def descriptor(self) -> dict[str, Any]:
        """How it is named in requests and responses."""
        return {"id": self.id, "type": "public-key"}

    def attested_data(self, aaguid: bytes) -> bytes:
        """The part of the authenticator data that introduces it (WebAuthn Level 3 §6.5.1)."""
        public: dict[int, Any] = dict(CoseKey.for_alg(self.algorithm).from_cryptography_key(self.private.public_key()))
        return aaguid + len(self.id).to_bytes(2, "big") + self.id + cbor.encode(public)

    def authenticator_data(self, flags: int, attested: bytes = b"") -> bytes:
        """The authenticator data of the next signature; a signature with the person present is counted."""
        if flags & USER_PRESENT:
            self.count += 1
        head = sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")
        return head + attested

    def sign(self, message: bytes) -> bytes:
        """A signature in the form that WebAuthn wants of this algorithm."""
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(message)
        return self.private.sign(message, ec.ECDSA(SHA256()))
