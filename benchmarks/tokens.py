"""Access tokens to measure with: distinct ones of one key, in three sizes, and the ways to check them."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from secrets import token_hex, token_urlsafe
from time import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwk as jose_keys
from joserfc import jwt as jose
from joserfc.jws import JWSRegistry
from jwt import PyJWK

from benchmarks.interleaved import Work
from upstile.protocol import base64url_decode
from upstile.server.resource._issuer import Issuer
from upstile.server.resource.tokens._jwt import SignedTokens
from upstile.server.resource.tokens._keys import VerificationKeys
from upstile.server.resource.tokens._profile import RFC9068, TokenProfile

URL = "https://api.example.com"
ISSUER = Issuer(identifier=URL, satisfies={"phr": {"mfa"}}, marks_single_use=True)
POOL = 500
GROUPS = {"0.7 KB": 0, "4 KB": 60, "16 KB": 290}
"""How many groups the user of a token of this size is in: what makes real ones grow."""
_GENERATE: dict[str, Callable[[], Any]] = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "RS256": lambda: rsa.generate_private_key(65537, key_size=2048),
}
_rfc9068: Any = import_module("authlib.oauth2.rfc9068")  # it has no types
_ES256 = ec.ECDSA(SHA256())


@dataclass(frozen=True)
class Tokens:
    """Distinct tokens of one key."""

    alg: str
    key: Any
    jwk: dict[str, Any]
    texts: list[str]

    @classmethod
    def make(cls, alg: str, *, size: str = "0.7 KB", **claims: Any) -> "Tokens":
        """A pool of tokens of about a size."""
        key = _GENERATE[alg]()
        jwk = jwt.get_algorithm_by_name(alg).to_jwk(key.public_key(), as_dict=True)
        jwk |= {"kid": "k", "alg": alg, "use": "sig"}
        groups = {"groups": [token_hex(16) for _ in range(GROUPS[size])]} if GROUPS[size] else {}
        texts = [_token(alg, key, **groups, **claims) for _ in range(POOL)]
        return cls(alg, key, jwk, texts)

    def verifier(self, profile: TokenProfile = RFC9068) -> SignedTokens:
        """Ours, which has seen none of them."""
        keys = VerificationKeys([self.jwk])
        return SignedTokens(issuer=ISSUER, audience=frozenset({URL}), keys=lambda: keys, profile=profile)

    def bare(self) -> Work:
        """The check of the signature, and nothing else."""
        pairs, public = self._signatures(), self.key.public_key()
        arguments: dict[str, tuple[Any, ...]] = {"ES256": (_ES256,), "RS256": (padding.PKCS1v15(), SHA256())}
        rest = arguments.get(self.alg, ())

        def work(times: int) -> None:
            for signing_input, signature in pairs[:times]:
                public.verify(signature, signing_input, *rest)

        return work

    def pyjwt(self) -> Work:
        """PyJWT with issuer and audience."""
        key, alg = PyJWK.from_dict(self.jwk), self.alg

        def work(times: int) -> None:
            for text in self.texts[:times]:
                jwt.decode(text, key, algorithms=[alg], audience=URL, issuer=URL)

        return work

    def joserfc(self) -> Work:
        """joserfc with one key, issuer and audience."""
        key, algorithms = jose_keys.import_key(self.jwk), [self.alg]
        JWSRegistry.algorithms[self.alg].security_warning = None  # it warns of the name EdDSA: not what we measure
        registry = jose.JWTClaimsRegistry(
            iss={"essential": True, "value": URL}, aud={"essential": True, "value": URL}, exp={"essential": True}
        )

        def work(times: int) -> None:
            for text in self.texts[:times]:
                registry.validate(jose.decode(text, key, algorithms=algorithms).claims)

        return work

    def authlib(self) -> Work:
        """authlib's validator of RFC 9068; its keys are read once, which is the quickest way that it has."""
        validator = _rfc9068.JWTBearerTokenValidator(issuer=URL, resource_server=URL)
        keys = jose_keys.KeySet.import_key_set({"keys": [self.jwk]})
        validator.get_jwks = lambda: keys

        def work(times: int) -> None:
            for text in self.texts[:times]:
                validator.validate_token(validator.authenticate_token(text), [], None)

        return work

    def _signatures(self) -> list[tuple[bytes, bytes]]:
        """Signing input and signature of each, as `cryptography` wants them."""
        pairs: list[tuple[bytes, bytes]] = []
        for text in self.texts:
            signing_input, _, signature = text.rpartition(".")
            raw = base64url_decode(signature)
            if self.alg == "ES256":
                raw = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
            pairs.append((signing_input.encode(), raw))
        return pairs


def _token(alg: str, key: Any, **claims: Any) -> str:
    now = int(time())
    standard = {"iss": URL, "aud": URL, "sub": "ada", "client_id": "cli", "iat": now, "exp": now + 3600}
    members = {**standard, "jti": token_urlsafe(16), "scope": "payments", "acr": "mfa", "amr": ["pwd", "otp", "mfa"]}
    return jwt.encode({**members, "auth_time": now, **claims}, key, alg, headers={"typ": "at+jwt", "kid": "k"})
