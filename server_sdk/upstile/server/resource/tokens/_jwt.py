"""The hot path: a compact at+jwt to an `AccessToken` (RFC 9068 §4), on `cryptography`.

Written for speed where it is called for each new token: the header segment, which all tokens of one signing key
share, is judged once, and the claims are read by one typed schema. PyJWT is the peer that the tests compare every
verdict with.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from upstile.protocol import MalformedMessage, base64url_decode, json_object
from upstile.server.resource._issuer import Issuer
from upstile.server.resource.tokens._access_token import AccessToken
from upstile.server.resource.tokens._claims import ClaimsReader
from upstile.server.resource.tokens._keys import VerificationKeys, Verify
from upstile.server.resource.tokens._profile import RFC9068, TokenProfile
from upstile.server.resource.tokens._token_cache import TokenCache
from upstile.server.resource.tokens._verifier import ExpiredToken, InvalidToken, Known, Unseen

_MAX_TOKEN = 16_384
_MAX_HEADERS = 64

LookForKey = Callable[[str, float], Awaitable[bool]]
"""Looks for a key by its `kid` at a time (epoch seconds); whether it is known from now on."""


async def _nowhere(kid: str, now: float) -> bool:
    return False


class SignedTokens:
    """Verifies signed access tokens of one issuer (`Verifier`).

    Args:
        issuer: what is known of the issuer; also an attribute, for that may become more.
        audience: the resource identifiers that are served here; a token must name one of them.
        keys: returns the issuer's current keys.
        leeway: seconds of grace after `exp`; 0 for our own tokens, at most 60 for an external issuer.
        remembered: how many verified tokens are remembered at most.
        look: looks for a key that a token names and `keys` does not have; it bounds how often.
        profile: how the issuer writes its tokens.
        named: gives the user the name that they have here.
    """

    def __init__(
        self,
        *,
        issuer: Issuer,
        audience: frozenset[str],
        keys: Callable[[], VerificationKeys],
        leeway: int = 0,
        remembered: int = 10_000,
        look: LookForKey = _nowhere,
        profile: TokenProfile = RFC9068,
        named: Callable[[AccessToken], AccessToken] | None = None,
    ) -> None:
        if not 0 <= leeway <= 60:
            raise ValueError("leeway must be between 0 and 60 seconds")
        self.issuer = issuer
        self._profile = profile
        self._claims = ClaimsReader(issuer, audience, leeway, profile, named)
        self._leeway = leeway
        self._remembered = remembered
        self._trust: _Trust | None = None
        self._look = look
        self.keys = keys

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """Whose tokens these are."""
        return (self.issuer,)

    def issuer_of(self, token: AccessToken) -> Issuer:
        """Whose token it is."""
        return self.issuer

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
            trust = self._trust = _Trust(keys, self._remembered, self._profile, self._look)
        key = TokenCache.key(token) if digest is None else digest
        known = trust.tokens.get(key, now)
        if known is None:
            known = self._decode(token, key, trust, now)
            if self.has_expired(known, now):
                raise ExpiredToken(known)
            trust.tokens.put(key, known)
        return known

    def has_expired(self, token: AccessToken, now: float) -> bool:
        """Whether a token that was verified is too old, the leeway included."""
        return now >= token.expires_at + self._leeway

    def known(self, digest: bytes, now: float) -> Known | None:
        """A token that was verified before, by its SHA-256, with keys that have not changed since."""
        trust = self._trust
        if trust is None or self.keys() is not trust.keys:
            return None
        token = trust.tokens.get(digest, now)
        return None if token is None else (token, trust.keys, self.keys)

    def _decode(self, token: str, digest: bytes, trust: "_Trust", now: float) -> AccessToken:
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
        return self._claims.read(claims, now, digest)


class _Trust:
    """All that is remembered under one set of keys: with another set it goes, whole."""

    def __init__(self, keys: VerificationKeys, remembered: int, profile: TokenProfile, look: LookForKey) -> None:
        self.keys = keys
        self._profile = profile
        self._look = look
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
            raise Unseen("no key of the issuer fits kid and alg", partial(self._look, str(header.get("kid"))))
        if len(self.headers) >= _MAX_HEADERS:
            self.headers.clear()
        self.headers[segment] = verify
        return verify
