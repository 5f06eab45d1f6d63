"""The ID token of a token response: is it ours, and who is it (OpenID Connect Core §3.1.3.7)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any

from upstile.client._errors import CeremonyFailed
from upstile.client._text import harmless
from upstile.client.authority.browser._asking import is_entra
from upstile.client.words import said
from upstile.protocol import MalformedMessage, base64url_decode, json_object

LEEWAY = 60
"""Seconds by which the clocks of two machines may differ."""
_LONGEST_AGE = 600
"""Seconds since it was issued: it was, just now."""
_ALGORITHMS = frozenset(
    {"ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA", "Ed25519", "Ed448"}
)
_NAMES = ("preferred_username", "email", "name")


@dataclass(frozen=True, kw_only=True)
class IdToken:
    """What it says of the person.

    Attributes:
        identity: who it is, at this issuer: `sub`; of Entra, whose `sub` differs from app to app, `oid.tid`.
        name: what to call them.
        acr: how strongly they proved who they are.
        auth_time: when, in epoch seconds.
    """

    identity: str = field(repr=False)
    name: str = field(repr=False)
    acr: str | None
    auth_time: float | None


def id_token_in(text: str | None, *, issuer: str, client_id: str, nonce: str, moments: list[float]) -> IdToken:
    """Read an ID token that came from the token endpoint.

    Args:
        text: the token.
        issuer: the configured one.
        client_id: the app.
        nonce: that of the request.
        moments: what the time may be, in epoch seconds.

    Raises:
        CeremonyFailed: there is none, or it is not for us, not of now, or not of this request.
    """
    if text is None:
        raise CeremonyFailed(**said("id-token-wrong", why="the token response has no id_token"))
    try:
        claims = _claims(text)
        _check(claims, issuer, client_id, nonce, moments)
        return _read(claims, issuer)
    except _Wrong as wrong:
        raise CeremonyFailed(**said("id-token-wrong", why=wrong)) from None


class _Wrong(Exception):
    """Says what is wrong with it, to developers."""


def _claims(text: str) -> Mapping[str, Any]:
    # NOTE: the signature is not checked. The token came straight from the token endpoint over TLS, which says who
    # made it (OpenID Connect Core §3.1.3.7 step 6). One that claims to have none is refused all the same.
    try:
        head, body, _ = text.split(".")
        header, claims = (json_object(base64url_decode(part)) for part in (head, body))
    except (ValueError, MalformedMessage):
        raise _Wrong("it is no JWT") from None
    if header.get("alg") not in _ALGORITHMS:
        raise _Wrong(f"its alg is {harmless(str(header.get('alg')))}")
    return claims


def _check(claims: Mapping[str, Any], issuer: str, client_id: str, nonce: str, moments: list[float]) -> None:
    if claims.get("iss") != issuer:
        raise _Wrong("its iss is another issuer")
    audience, party = claims.get("aud"), claims.get("azp")
    audiences: list[Any] = audience if isinstance(audience, list) else [audience]  # pyright: ignore[reportUnknownVariableType]
    if client_id not in audiences:
        raise _Wrong("its aud does not name this app")
    if (party is not None or len(audiences) > 1) and party != client_id:
        raise _Wrong("its azp is not this app")
    ends, issued = _moment(claims, "exp"), _moment(claims, "iat")
    if ends is None or issued is None:
        raise _Wrong("it has no exp or no iat")
    if all(now >= ends + LEEWAY for now in moments):
        raise _Wrong("it has expired")
    if not any(-LEEWAY <= now - issued <= _LONGEST_AGE for now in moments):
        raise _Wrong("its iat is not now")
    sent = claims.get("nonce")
    if not isinstance(sent, str) or not compare_digest(sent.encode(), nonce.encode()):
        raise _Wrong("its nonce is not that of the request")


def _read(claims: Mapping[str, Any], issuer: str) -> IdToken:
    acr = claims.get("acr")
    if acr is not None and not isinstance(acr, str):
        raise _Wrong("its acr is no text")
    identity = _identity(claims, issuer)
    name = next((text for key in _NAMES if (text := _shown(claims.get(key))) is not None), None)
    return IdToken(identity=identity, name=name or identity, acr=acr, auth_time=_moment(claims, "auth_time"))


def _identity(claims: Mapping[str, Any], issuer: str) -> str:
    names = ("oid", "tid") if is_entra(issuer) else ("sub",)
    parts = [claims.get(name) for name in names]
    if not all(isinstance(part, str) and 0 < len(part) <= 255 and part.isprintable() for part in parts):
        raise _Wrong(f"it has no {' and '.join(names)}")
    return ".".join(map(str, parts))


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 §2)."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Wrong(f"its {name} is no number")
    return value


def _shown(value: object) -> str | None:
    return harmless(value, longest=100) if isinstance(value, str) else None
