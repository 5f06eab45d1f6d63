"""The signing keys of the embedded server: made once, kept sealed, published as a JWK Set."""

from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from upstile.protocol import es256_jwk, jwk_thumbprint
from upstile.server._errors import ConfigurationError
from upstile.server._sealing import Seal
from upstile.server.resource._keys import VerificationKeys
from upstile.server.storage import DurableStore, SigningKeyRecord

_ALGORITHM = "ES256"


class SigningKeys:
    """Signs access tokens with the newest key, and knows the public half of all of them.

    Args:
        store: where the keys are kept.
        seal: encrypts their private halves.
    """

    def __init__(self, store: DurableStore, seal: Seal) -> None:
        self._store = store
        self._seal = seal
        self._signer: tuple[str, ec.EllipticCurvePrivateKey] | None = None
        self._jwks: list[dict[str, str]] = []
        self._verification: VerificationKeys | None = None

    async def prepare(self) -> None:
        """Load the keys, or make the first one. Several processes may do so at once; one key wins."""
        records = await self._store.signing_keys()
        if not records:
            await self._store.add_signing_key(self._generate(generation=1))
            records = await self._store.signing_keys()
        keys = [(record.kid, self._open(record)) for record in records]
        self._signer = keys[0]
        self._jwks = [_public(kid, key) for kid, key in keys]
        self._verification = VerificationKeys(self._jwks)

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Make a signed access token (RFC 9068 §2.1)."""
        if self._signer is None:
            raise ConfigurationError("the authorization server is used before it was prepared")
        kid, key = self._signer
        return jwt.encode(dict(claims), key, _ALGORITHM, headers={"typ": "at+jwt", "kid": kid})

    def verification(self) -> VerificationKeys:
        """The keys that verify our own tokens."""
        if self._verification is None:
            raise ConfigurationError("the authorization server is used before it was prepared")
        return self._verification

    def jwks(self) -> dict[str, Any]:
        """The JWK Set document (RFC 7517 §5)."""
        return {"keys": self._jwks}

    def _generate(self, generation: int) -> SigningKeyRecord:
        key = ec.generate_private_key(ec.SECP256R1())
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        kid = jwk_thumbprint(es256_jwk(key.public_key()))
        return SigningKeyRecord(generation=generation, kid=kid, sealed=self._seal.close(der))

    def _open(self, record: SigningKeyRecord) -> ec.EllipticCurvePrivateKey:
        key = load_der_private_key(self._seal.open(record.sealed), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigurationError("a signing key in the storage is not a P-256 key")
        return key


def _public(kid: str, key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    return {**es256_jwk(key.public_key()), "kid": kid, "use": "sig", "alg": _ALGORITHM}
