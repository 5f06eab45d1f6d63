"""What the text of a token says before anybody has verified it: where to look, and nothing to go by."""

from typing import Any

from pydantic_core import from_json

from upstile.protocol import MalformedMessage, base64url_decode, json_object

_LONGEST = 16_384


def claims_in(token: str) -> dict[str, Any] | None:
    """The claims of a compact JWS (RFC 7515 §3.1) that nobody has verified; `None` for a text that is no such token."""
    parts = token.split(".", 3)
    return _object(parts[1]) if len(parts) == 3 else None


def may_be_ours(token: str, identifiers: frozenset[str], *, takes_opaque: bool) -> bool:
    """Whether one of our issuers may have made a token; in doubt it may.

    It is another's where it is a JWT that names another issuer: exactly one, as a text, compared letter by letter. Each
    token of an issuer that signs names it (RFC 9068 §2.2), so a text that names nobody is another's, too, unless an
    issuer has to be asked what its tokens say. A JWT that hides what it says, as an encrypted one does, or says it in a
    way that can be read twice, may be ours.

    Args:
        token: as it was sent.
        identifiers: our issuers.
        takes_opaque: one of them is asked about tokens that say nothing to us (RFC 7662).
    """
    if len(token) > _LONGEST:
        return True
    claims = claims_in(token)
    if claims is None:
        return takes_opaque or "alg" in (_object(token.split(".", 1)[0]) or ())
    if "iss" not in claims:
        return takes_opaque
    issuer = claims["iss"]
    return not isinstance(issuer, str) or issuer in identifiers or not _is_unambiguous(token)


def _is_unambiguous(token: str) -> bool:
    try:
        json_object(base64url_decode(token.split(".")[1]))
    except MalformedMessage:  # a name that stands twice, for one
        return False
    return True


def _object(segment: str) -> dict[str, Any] | None:
    """The JSON object in a segment, read as the claims of a token are: of a name that stands twice the last counts."""
    try:
        found: Any = from_json(base64url_decode(segment))
    except (MalformedMessage, ValueError):
        return None
    return found if isinstance(found, dict) else None  # pyright: ignore[reportUnknownVariableType]
