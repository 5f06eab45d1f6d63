"""The hot path: a compact at+jwt to an `AccessToken` (RFC 9068 §4), on `cryptography`.

Written for speed where it is called for each new token: the header segment, which all tokens of one signing key
share, is judged once, and the claims are read by the JSON parser that pydantic brings. PyJWT is the peer that the tests
compare every verdict with.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol, cast

from pydantic_core import from_json

from upstile.protocol import MalformedMessage, base64url_decode, json_object
from upstile.server.resource._access_token import AccessToken
from upstile.server.resource._issuer import Issuer
from upstile.server.resource._keys import VerificationKeys, Verify
from upstile.server.resource._token_cache import TokenCache

_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_MAX_TOKEN = 16_384
_MAX_HEADERS = 64
_END_OF_TIME = 2**53
_TEXT_CLAIMS = ("sub", "client_id", "jti")


class InvalidToken(Exception):
    """The token is not acceptable; the text is for the log and for `error_description`, and holds none of it."""


class Verifier(Protocol):
    """Turns the text of an access token into what it says."""

    @property
    def issuer(self) -> Issuer:
        """Whose tokens these are."""
        ...

    def verify(self, token: str, now: float) -> AccessToken:
        """Verify a token at `now` (epoch seconds); raises `InvalidToken`."""
        ...


class JWTVerifier:
    """Verifies signed access tokens of one issuer.

    Args:
        issuer: what is known of the issuer.
        audience: the resource identifiers that are served here; a token must name one of them.
        keys: returns the issuer's current keys.
        leeway: seconds of grace after `exp`; 0 for our own tokens, at most 60 for an external issuer.
        cache: verified tokens; one per verifier.
    """

    def __init__(
        self,
        *,
        issuer: Issuer,
        audience: frozenset[str],
        keys: Callable[[], VerificationKeys],
        leeway: int = 0,
        cache: TokenCache | None = None,
    ) -> None:
        if not 0 <= leeway <= 60:
            raise ValueError("leeway must be between 0 and 60 seconds")
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._leeway = leeway
        self._cache = TokenCache() if cache is None else cache
        self._trusted: VerificationKeys | None = None
        self._headers: dict[str, Verify] = {}

    @property
    def issuer(self) -> Issuer:
        """Whose tokens these are."""
        return self._issuer

    def verify(self, token: str, now: float) -> AccessToken:
        """Verify a token, or find it among those verified before.

        Raises:
            InvalidToken: form, type, algorithm, signature, issuer, audience or expiry are wrong.
        """
        keys = self._keys()
        if keys is not self._trusted:  # what a withdrawn key has signed is not remembered
            self._trusted = keys
            self._headers.clear()
            self._cache.clear()
        key = TokenCache.key(token)
        known = self._cache.get(key, now)
        if known is None:
            known = self._decode(token, keys, now)
            self._check_time(known, now)
            self._cache.put(key, known)
        return known

    def _decode(self, token: str, keys: VerificationKeys, now: float) -> AccessToken:
        signing_input, _, signature = token.rpartition(".")
        header, _, payload = signing_input.partition(".")
        if not payload or "." in payload or len(token) > _MAX_TOKEN:
            raise InvalidToken("not a compact JWS")
        try:
            verified = self._headers.get(header) or self._judge_header(header, keys)
            if not verified(signing_input.encode("ascii"), base64url_decode(signature)):
                raise InvalidToken("the signature is wrong")
            # The issuer wrote this. NOTE: of a name that stands twice the last counts, as RFC 7519 §4 allows.
            claims = from_json(base64url_decode(payload), allow_inf_nan=False)
        except (MalformedMessage, ValueError) as error:
            raise InvalidToken("malformed") from error
        return self._read(claims, now)

    def _judge_header(self, segment: str, keys: VerificationKeys) -> Verify:
        header = json_object(base64url_decode(segment))
        if str(header.get("typ", "")).lower() not in _TYPES:
            raise InvalidToken("typ is not at+jwt")
        verify = None if "crit" in header else keys.find(header.get("kid"), header.get("alg"))
        if verify is None:
            raise InvalidToken("no key of the issuer fits kid and alg")
        if len(self._headers) >= _MAX_HEADERS:
            self._headers.clear()
        self._headers[segment] = verify
        return verify

    def _read(self, claims: Any, now: float) -> AccessToken:
        if type(claims) is not dict:
            raise InvalidToken("the claims are not a JSON object")
        claims = cast(dict[str, Any], claims)
        audience = claims.get("aud")
        audiences = (audience,) if isinstance(audience, str) else _texts("aud", audience)
        if claims.get("iss") != self._issuer.identifier:
            raise InvalidToken("another issuer")
        if self._audience.isdisjoint(audiences):
            raise InvalidToken("for another resource")
        if "nbf" in claims and _time(claims, "nbf") > now + self._leeway:
            raise InvalidToken("not good yet")
        return _access_token(claims, audiences, self._issuer.marks_single_use)

    def _check_time(self, token: AccessToken, now: float) -> None:
        if now >= token.expires_at + self._leeway:
            raise InvalidToken("expired")


def _access_token(claims: dict[str, Any], audience: tuple[str, ...], marks_single_use: bool) -> AccessToken:
    get = claims.get
    for name in _TEXT_CLAIMS:
        if not isinstance(get(name), str):
            raise InvalidToken(f"the claim {name} is missing")
    details: Any = get("authorization_details", ())
    if not isinstance(details, list | tuple):
        raise InvalidToken("the claim authorization_details is not a list")
    return AccessToken(  # in the order of its fields: keywords would cost what reading two claims costs
        claims["iss"],
        claims["sub"],
        claims["client_id"],
        audience,
        _scopes(_text(claims, "scope") or ""),
        _text(claims, "acr"),
        _texts("amr", get("amr", [])),
        None if get("auth_time") is None else _time(claims, "auth_time"),
        _time(claims, "iat"),
        _time(claims, "exp"),
        claims["jti"],
        _text(claims, "sid"),
        _confirmation(get("cnf")),
        marks_single_use and get("single_use", False) is not False,
        tuple(details),  # pyright: ignore[reportUnknownArgumentType]
    )


@lru_cache(maxsize=1024)
def _scopes(text: str) -> frozenset[str]:
    # Many tokens have few different scopes: one set for all of them saves a fifth of what a remembered token weighs.
    return frozenset(text.split())


def _text(claims: dict[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidToken(f"the claim {name} is not a text")
    return value


def _texts(name: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise InvalidToken(f"the claim {name} is not a list of texts")
    for value in values:  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(value, str):
            raise InvalidToken(f"the claim {name} is not a list of texts")
    return tuple(values)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _time(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name)
    if type(value) is int and 0 <= value < _END_OF_TIME:
        return value
    if type(value) is float and 0 <= value < _END_OF_TIME:
        return int(value)
    raise InvalidToken(f"the claim {name} is missing or not a time")


def _confirmation(cnf: Any) -> str | None:
    """The key that the token is bound to; a confirmation that we cannot check makes the token unacceptable."""
    if cnf is None:
        return None
    if isinstance(cnf, dict) and set(cnf) == {"jkt"} and isinstance(cnf["jkt"], str):  # pyright: ignore[reportUnknownArgumentType]
        return cnf["jkt"]
    raise InvalidToken("the claim cnf holds another confirmation than jkt")
