"""The tokens that the embedded server mints (upstile profile §4)."""

from secrets import token_urlsafe
from typing import Any
from uuid import UUID

from upstile.protocol import TokenResponse, base64url_decode, base64url_encode
from upstile.server.authorization._acr import token_amr
from upstile.server.authorization._lives import LONGEST_TOKEN_LIFE, TOKEN_LIFE
from upstile.server.authorization.ceremony._ceremony import Ceremony
from upstile.server.authorization.user._logins import BaseLogin
from upstile.server.keys._signing import SigningKeys


class TokenMint:
    """Makes access tokens.

    Args:
        issuer: our issuer identifier.
        keys: sign them.
    """

    def __init__(self, issuer: str, keys: SigningKeys) -> None:
        self._issuer = issuer
        self._keys = keys

    def base(self, login: BaseLogin, *, resource: str, scope: frozenset[str], now: float) -> TokenResponse:
        """The token of a base login; it names no acr, so every step-up route challenges it."""
        claims = self._claims(login, login.client_id, resource, scope, login.jkt, now, login.settled_at)
        claims |= {"jti": login.jti, "exp": login.expires_at, "amr": list(login.amr), "auth_time": login.auth_time}
        return self._response(claims)

    def elevated(self, ceremony: Ceremony, *, jti: str, acr: str | None, life: int, now: float) -> TokenResponse:
        """The token of a ceremony: a new grant, whose `auth_time` is that of its oldest proof.

        Args:
            ceremony: what was asked and proved.
            jti: the token's identifier.
            acr: what was reached.
            life: seconds.
            now: epoch seconds.
        """
        login = ceremony.login
        asked = ceremony.client_id, ceremony.resource, ceremony.scope, ceremony.jkt
        claims = self._claims(login, *asked, now, ceremony.settled_at)
        claims |= {
            "jti": jti,
            "exp": int(now) + life,
            "amr": token_amr(ceremony.proofs, login.factors, acr, now),
            "auth_time": min(proof.at for proof in ceremony.proofs),
        }
        if acr is not None:
            claims["acr"] = acr
        if ceremony.max_age == 0:
            claims["single_use"] = True
        return self._response(claims)

    def _claims(
        self,
        login: BaseLogin,
        client_id: str,
        resource: str,
        scope: frozenset[str],
        jkt: str | None,
        now: float,
        settled_at: int | None,
    ) -> dict[str, Any]:
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": resource,
            "sub": login.subject,
            "client_id": client_id,
            "iat": int(now),
            "sid": login.sid,
            "scope": " ".join(sorted(scope)),
        }
        if jkt is not None:
            claims["cnf"] = {"jkt": jkt}
        if settled_at is not None:
            claims["settled_at"] = settled_at
        return claims

    def _response(self, claims: dict[str, Any]) -> TokenResponse:
        return TokenResponse(
            access_token=self._keys.sign(claims, claims["iat"]),
            token_type="DPoP" if "cnf" in claims else "Bearer",
            expires_in=claims["exp"] - claims["iat"],
            scope=claims["scope"],
            acr=claims.get("acr"),
            auth_time=claims["auth_time"],
        )


def lifetime(max_age: int | None, *, bound: bool) -> int:
    """Seconds that an elevated token lives."""
    return max(TOKEN_LIFE, min(max_age, LONGEST_TOKEN_LIFE)) if bound and max_age is not None else TOKEN_LIFE


def new_jti(ceremony: Ceremony) -> str:
    """A fresh identifier of an elevated token: the user's generation of proofs, 128 random bits, and what it came of.

    So a resource server can say which ceremony a call belongs to, without asking anybody.
    """
    instance = "" if ceremony.instance is None else base64url_encode(UUID(ceremony.instance).bytes)
    return f"{ceremony.generation}.{token_urlsafe(16)}.{ceremony.id}.{instance}"


def ceremony_of(jti: str) -> tuple[str, str | None] | None:
    """The ceremony and the instance that an elevated token of ours came of; `None` for any other token."""
    parts = jti.split(".")
    if len(parts) != 4:
        return None
    try:
        return parts[2], UUID(bytes=base64url_decode(parts[3])).urn if parts[3] else None
    except ValueError:
        return None
