"""The hot path: a compact at+jwt to an `AccessToken` (RFC 9068 §4), on `cryptography`.

Written for speed where it is called for each new token: the header segment, which all tokens of one signing key
share, is judged once, and the claims are read by one typed schema. PyJWT is the peer that the tests compare every
verdict with.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from upstile.protocol import MalformedMessage, base64url_decode, json_object
from upstile.server.resource._access_token import AccessToken
from upstile.server.resource._claims import ClaimsReader, ExpiredToken, InvalidToken, UnknownKey
from upstile.server.resource._issuer import Issuer
from upstile.server.resource._keys import VerificationKeys, Verify
from upstile.server.resource._profile import RFC9068, TokenProfile
from upstile.server.resource._token_cache import TokenCache

__all__ = ["InvalidToken", "SignedTokens", "Verifier"]

_MAX_TOKEN = 16_384
_MAX_HEADERS = 64

Look = Callable[[str, float], Awaitable[bool]]
"""Looks for a key by its `kid` at a time (epoch seconds); whether it is known from now on."""


class Verifier(Protocol):
    """Turns the text of an access token into what it says."""

    @property
    def issuer(self) -> Issuer:
        """Whose tokens these are."""
        ...

    @property
    def keys(self) -> Callable[[], object]:
        """Returns what the tokens are verified with: after any change of it, nothing verified before still counts."""
        ...

    def verify(self, token: str, now: float, digest: bytes | None = None) -> AccessToken:
        """Verify a token at `now` (epoch seconds); raises `InvalidToken`. `digest` is its SHA-256, if at hand."""
        ...

    def has_expired(self, token: AccessToken, now: float) -> bool:
        """Whether a token that was verified is too old at `now` (epoch seconds)."""
        ...

    async def verify_or_look(self, token: str, now: float) -> AccessToken:
        """The same; a key that is not known yet is looked for, and the token judged again."""
        ...

    async def look(self, kid: str, now: float) -> bool:
        """Look for a key that a token names; whether it is known from now on."""
        ...

    def known(self, digest: bytes, now: float) -> tuple[AccessToken, object] | None:
        """What a token that was verified before says, and the keys of then, which are still the issuer's.

        It is found by its SHA-256; `None` leaves it to `verify`.
        """
        ...


class SignedTokens:
    """Verifies signed access tokens of one issuer (`Verifier`).

    Args:
        issuer: what is known of the issuer.
        audience: the resource identifiers that are served here; a token must name one of them.
        keys: returns the issuer's current keys.
        leeway: seconds of grace after `exp`; 0 for our own tokens, at most 60 for an external issuer.
        remembered: how many verified tokens are remembered at most.
        look: looks for a key that a token names and `keys` does not have; it bounds how often.
        profile: how the issuer writes its tokens.
    """

    def __init__(
        self,
        *,
        issuer: Issuer,
        audience: frozenset[str],
        keys: Callable[[], VerificationKeys],
        leeway: int = 0,
        remembered: int = 10_000,
        look: Look | None = None,
        profile: TokenProfile = RFC9068,
    ) -> None:
        if not 0 <= leeway <= 60:
            raise ValueError("leeway must be between 0 and 60 seconds")
        self._issuer = issuer
        self._profile = profile
        self._claims = ClaimsReader(issuer, audience, leeway, profile)
        self._leeway = leeway
        self._remembered = remembered
        self._trust: _Trust | None = None
        self._look = look
        self.keys = keys

    @property
    def issuer(self) -> Issuer:
        """Whose tokens these are."""
        return self._issuer

    def verify(self, token: str, now: float, digest: bytes | None = None) -> AccessToken:
        """Verify a token, or find it among those verified before.

        Args:
            token: as it was sent.
            now: epoch seconds.
            digest: the token's SHA-256, where the caller has it already.

        Raises:
            InvalidToken: form, type, algorithm, signature, issuer, audience or expiry are wrong.
        """
        keys, trust = self.keys(), self._trust
        if trust is None or keys is not trust.keys:
            trust = self._trust = _Trust(keys, self._remembered, self._profile)
        key = TokenCache.key(token) if digest is None else digest
        known = trust.tokens.get(key, now)
        if known is None:
            known = self._decode(token, trust, now)
            if self.has_expired(known, now):
                raise ExpiredToken(known)
            trust.tokens.put(key, known)
        return known

    def has_expired(self, token: AccessToken, now: float) -> bool:
        """Whether a token that was verified is too old, the leeway included."""
        return now >= token.expires_at + self._leeway

    async def verify_or_look(self, token: str, now: float) -> AccessToken:
        """Verify a token; one of a key that is not known yet is judged again after a look for that key.

        Raises:
            InvalidToken: as `verify`.
            StorageUnavailable: there was nowhere to look.
        """
        try:
            return self.verify(token, now)
        except UnknownKey as error:
            if not await self.look(error.kid, now):
                raise
        return self.verify(token, now)

    async def look(self, kid: str, now: float) -> bool:
        """Look for a key that a token names; whether it is known from now on."""
        return self._look is not None and await self._look(kid, now)

    def known(self, digest: bytes, now: float) -> tuple[AccessToken, object] | None:
        """What a token that was verified before says, by its SHA-256, and the keys, which have not changed since."""
        trust = self._trust
        if trust is None or self.keys() is not trust.keys:
            return None
        token = trust.tokens.get(digest, now)
        return None if token is None else (token, trust.keys)

    def _decode(self, token: str, trust: "_Trust", now: float) -> AccessToken:
        signing_input, _, signature = token.rpartition(".")
        header, _, payload = signing_input.partition(".")
        if not payload or "." in payload or len(token) > _MAX_TOKEN:
            raise InvalidToken("not a compact JWS")
        try:
            verified = trust.headers.get(header) or trust.judge_header(header)
            if not verified(signing_input.encode("ascii"), base64url_decode(signature)):
                raise InvalidToken("the signature is wrong")
            claims = base64url_decode(payload)
        except (MalformedMessage, ValueError) as error:
            raise InvalidToken("malformed") from error
        return self._claims.read(claims, now, signing_input)


class _Trust:
    """All that is remembered under one set of keys: with another set it goes, whole."""

    def __init__(self, keys: VerificationKeys, remembered: int, profile: TokenProfile) -> None:
        self.keys = keys
        self._profile = profile
        self.headers: dict[str, Verify] = {}
        self.tokens = TokenCache(remembered)

    def judge_header(self, segment: str) -> Verify:
        header = json_object(base64url_decode(segment))
        if not self._profile.allows(header.get("typ")):
            raise InvalidToken("typ is not that of an access token")
        if "crit" in header:
            raise InvalidToken("it has extensions that are not understood")
        verify = self.keys.find(header.get("kid"), header.get("alg"))
        if verify is None:
            raise UnknownKey(str(header.get("kid")))
        if len(self.headers) >= _MAX_HEADERS:
            self.headers.clear()
        self.headers[segment] = verify
        return verify
