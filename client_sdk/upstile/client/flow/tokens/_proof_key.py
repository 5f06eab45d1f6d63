"""The client's DPoP key, and the nonces that servers demanded (RFC 9449)."""

from base64 import urlsafe_b64decode
from collections.abc import Callable
from secrets import token_urlsafe

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from upstile.client._exchange import Incoming, origin_of
from upstile.protocol import (
    base64url_encode,
    create_proof,
    es256_jwk,
    jwk_thumbprint,
)


class ProofKey:
    """Signs a proof for each request; one signature is all that it costs.

    Args:
        clock: the time in epoch seconds.
        key: a P-256 private key; a fresh one by default, which lives in memory only.
    """

    def __init__(self, clock: Callable[[], float], key: ec.EllipticCurvePrivateKey | None = None) -> None:
        self._key = key or ec.generate_private_key(ec.SECP256R1())
        self._clock = clock
        self._nonces: dict[str, str] = {}
        self.thumbprint = jwk_thumbprint(es256_jwk(self._key.public_key()))

    @classmethod
    def imported(cls, clock: Callable[[], float], text: str) -> "ProofKey":
        """The key that `exported` wrote.

        Raises:
            ValueError: it is none, or not on P-256; the message does not show it.
        """
        from cryptography.hazmat.primitives.serialization import load_der_private_key  # with SSH and all: on first use

        try:
            key = load_der_private_key(urlsafe_b64decode(text + "=" * (-len(text) % 4)), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ValueError("no private key") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ValueError("no P-256 key")
        return cls(clock, key)

    def exported(self) -> str:
        """The private key as a store keeps it: PKCS #8 DER (RFC 5958) in base64url. A secret."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        der = self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return base64url_encode(der)

    def proof(self, method: str, url: str, access_token: str | None = None, *, now: float | None = None) -> str:
        """The `DPoP` header of one request; `now` is the time in epoch seconds, if it is not that of the clock."""
        return create_proof(
            self._key,
            htm=method,
            htu=url,
            now=self._clock() if now is None else now,
            jti=token_urlsafe(16),
            access_token=access_token,
            nonce=self.nonce(url),
        )

    def nonce(self, url: str) -> str | None:
        """The nonce that the next proof for this server will carry."""
        return self._nonces.get(origin_of(url)) if self._nonces else None

    def learn(self, response: Incoming) -> None:
        """Keep a nonce that a server sent (RFC 9449 §8.2)."""
        nonce = response.header("dpop-nonce")
        if nonce is not None:
            self._nonces[origin_of(response.url)] = nonce

    def __repr__(self) -> str:
        return f"ProofKey(thumbprint={self.thumbprint!r})"
