"""Authorization codes: issued at the end of a ceremony, redeemed once for the elevated token (RFC 6749 §4.1.3)."""

from hashlib import sha256
from secrets import token_urlsafe

from upstile.protocol import TokenRequest, TokenResponse, code_verifier_matches
from upstile.server._errors import AuthorizationError
from upstile.server._events import EventKind, Events, SecurityEvent
from upstile.server.authorization._ceremony import Ceremony, Grant
from upstile.server.authorization._tokens import TokenMint, lifetime, new_jti
from upstile.server.storage import EphemeralStore, Record, Revocations

CODE_LIFE = 60
"""Seconds within which a code must be redeemed."""


class Codes:
    """Issues and redeems authorization codes.

    Args:
        issuer: our issuer identifier.
        store: where all processes of the deployment keep them, hashed.
        mint: makes the token.
        revocations: where the token of a code that came twice ends.
        events: is told.
    """

    def __init__(
        self, *, issuer: str, store: EphemeralStore, mint: TokenMint, revocations: Revocations, events: Events
    ) -> None:
        self._issuer = issuer
        self._store = store
        self._mint = mint
        self._revocations = revocations
        self._events = events

    async def issue(self, ceremony: Ceremony, now: float) -> str:
        """A code for a ceremony that is complete."""
        code = token_urlsafe(32)
        grant = Grant(ceremony=ceremony, acr=ceremony.reached(now), granted_at=int(now))
        record = Record(value=grant.to_json(), expires_at=now + CODE_LIFE)
        await self._store.update(_key(code), lambda _: (record, None), now)
        return code

    async def redeem(self, request: TokenRequest, jkt: str | None, now: float) -> TokenResponse:
        """The token for a code.

        Who fails the checks of client, verifier and key learns nothing and the code stays good. Who passes them a
        second time ends the token that the first time gave.

        Raises:
            AuthorizationError: `invalid_grant`.
        """
        found = await self._store.get(_key(request.code), now)
        if found is None or not await self._redeemable(Grant.from_json(found.value), request, jkt, now):
            raise _refused()
        jti = new_jti()
        grant = await self._store.update(_key(request.code), lambda record: _use(record, jti, now), now)
        if grant is None:
            raise _refused()
        if grant.used_jti != jti:
            await self._end(grant, now)
            raise _refused()
        await self._tell("token-issued", grant, now)
        return self._token(grant, jti, now)

    async def _redeemable(self, grant: Grant, request: TokenRequest, jkt: str | None, now: float) -> bool:
        await self._revocations.refresh(now)
        login = grant.ceremony.login
        ended = self._revocations.has_ended(self._issuer, login.subject, login.auth_time)
        return not ended and _entitled(grant, request, jkt)

    def _token(self, grant: Grant, jti: str, now: float) -> TokenResponse:
        ceremony = grant.ceremony
        return self._mint.elevated(
            ceremony.login,
            jti=jti,
            client_id=ceremony.client_id,
            resource=ceremony.resource,
            scope=ceremony.scope,
            jkt=ceremony.jkt,
            acr=grant.acr,
            max_age=ceremony.max_age,
            proofs=ceremony.proofs,
            now=now,
        )

    async def _end(self, grant: Grant, now: float) -> None:
        if grant.used_jti is not None:
            life = lifetime(grant.ceremony.max_age, bound=grant.ceremony.jkt is not None)
            await self._revocations.revoke(grant.used_jti, now + life, now)
        await self._tell("code-replayed", grant, now)

    async def _tell(self, kind: EventKind, grant: Grant, now: float) -> None:
        user, client_id = grant.ceremony.login.user(self._issuer), grant.ceremony.client_id
        await self._events.tell(SecurityEvent(kind=kind, user=user, client_id=client_id, at=now))


def _use(record: Record | None, jti: str, now: float) -> tuple[Record | None, Grant | None]:
    """Mark a code as used by `jti`, if it was not used; a used one is kept as long as its token may live."""
    if record is None:
        return None, None
    grant = Grant.from_json(record.value)
    if grant.used_jti is not None:
        return record, grant
    used = grant.model_copy(update={"used_jti": jti})
    life = lifetime(grant.ceremony.max_age, bound=grant.ceremony.jkt is not None)
    return Record(value=used.to_json(), expires_at=now + life), used


def _entitled(grant: Grant, request: TokenRequest, jkt: str | None) -> bool:
    ceremony = grant.ceremony
    return (
        request.client_id == ceremony.client_id
        and request.redirect_uri is None
        and jkt == ceremony.jkt
        and code_verifier_matches(request.code_verifier, ceremony.code_challenge)
    )


def _refused() -> AuthorizationError:
    return AuthorizationError("invalid_grant", "this code is not good, or not for you")


def _key(code: str) -> str:
    return "code:" + sha256(code.encode()).hexdigest()
