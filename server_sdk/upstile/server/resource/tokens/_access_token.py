"""What a verified access token says: the facts that every decision of the resource server is made on."""

from typing import NamedTuple


class AccessToken(NamedTuple):
    """A token whose signature, type, issuer, audience and expiry were verified (RFC 9068 §2.2).

    Attributes:
        issuer, subject: together they are the user.
        client_id: the app.
        audience: the resources that it is for.
        scope: what it may do.
        acr: the names that it satisfies, those that the issuer's own ones stand for included; none means weak.
        amr, auth_time: how, and when (epoch seconds), the user authenticated; no time means old.
        issued_at, expires_at: epoch seconds; like `auth_time` they may have a fraction (RFC 7519 §2).
        jti: its identifier; where the issuer gives it none, the SHA-256 of the token.
        sid: the base login that it stems from.
        jkt: the thumbprint of the key that it is bound to, or `None` for a bearer token.
        single_use: it serves one call (upstile profile §4).
        authorization_details: what it approves (RFC 9396).
        settled_at: until when (epoch seconds) what asks for settled authenticators stays closed to the user.
    """

    issuer: str
    subject: str
    client_id: str
    audience: tuple[str, ...]
    scope: frozenset[str]
    acr: frozenset[str]
    amr: tuple[str, ...]
    auth_time: float | None
    issued_at: float
    expires_at: float
    jti: str
    sid: str | None
    jkt: str | None
    single_use: bool
    authorization_details: tuple[object, ...]
    settled_at: float | None = None
