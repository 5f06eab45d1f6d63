"""Authorization codes: issued at the end of a ceremony, redeemed once for the elevated token (RFC 6749 §4.1.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from upstile.protocol import TokenRequest, TokenResponse, code_verifier_matches
from upstile.server._errors import AuthorizationError
from upstile.server.audit import EventKind, Events, SecurityEvent, learn
from upstile.server.authorization._json import Json
from upstile.server.authorization._lives import CODE_LIFE
from upstile.server.authorization._possession import Possession
from upstile.server.authorization.ceremony._ceremony import Ceremony
from upstile.server.authorization.tokens._tokens import TokenMint, lifetime, new_jti
from upstile.server.authorization.user._user_state import UserState
from upstile.server.storage import Found, Kept, Names, OneTimeStore, Record, Revocations, Row, generation_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """What an authorization code stands for; `used_jti` is the token that it was redeemed for."""

    ceremony: Ceremony
    acr: str | None = None
    used_jti: str | None = None

    @property
    def token_life(self) -> int:
        """Seconds that its token lives."""
        return lifetime(self.ceremony.max_age, bound=self.ceremony.jkt is not None)

    def record(self, now: float) -> Record:
        """The record to keep: a used one as long as its token may live, so that a second use can end it."""
        life = CODE_LIFE if self.used_jti is None else self.token_life
        return Record(value=_json.write(self), expires_at=now + life)


_json = Json(Grant)


def issued(ceremony: Ceremony, now: float) -> Record:
    """The record of a code for a ceremony that is complete."""
    return Grant(ceremony=ceremony, acr=ceremony.reached(now)).record(now)


def has_ended(ceremony: Ceremony, user: UserState) -> bool:
    """Whether the user's sign-ins or proofs were ended since the ceremony began."""
    return ceremony.generation < user.first_proof or generation_of(ceremony.login.sid) < user.first_login


class Codes:
    """Redeems authorization codes.

    Args:
        issuer: our issuer identifier.
        store: where all processes of the deployment keep them.
        names: makes their keys; a code itself is kept nowhere.
        mint: makes the token.
        revocations: where the token of a code that came twice ends.
        events: is told.
    """

    def __init__(
        self,
        *,
        issuer: str,
        store: OneTimeStore,
        names: Names,
        mint: TokenMint,
        revocations: Revocations,
        events: Events,
    ) -> None:
        self._issuer = issuer
        self._store = store
        self._names = names
        self._mint = mint
        self._revocations = revocations
        self._events = events

    async def redeem(self, request: TokenRequest, possession: Possession, now: float) -> TokenResponse:
        """The token for a code.

        Who fails the checks of client, verifier and key learns nothing and the code stays good. Who passes them a
        second time ends the token that the first time gave.

        Raises:
            AuthorizationError: `invalid_grant`.
        """
        key = self._names("code", request.code)
        found = (await self._store.get_many([key], now)).get(key)
        grant = _json.read(found.value) if found else None
        if grant is None or not _entitled(grant, request, possession.jkt) or self._is_revoked(grant.ceremony):
            raise _refused()
        ceremony, jti = grant.ceremony, new_jti(grant.ceremony)
        issued = self._event("token-issued", grant, now)
        learn(user=issued.user, client_id=issued.client_id, ceremony=issued.ceremony, instance=issued.instance)
        rows = self._events.in_phase(issued)
        user_key = self._names("user", ceremony.login.subject)

        def decide(found: Found) -> tuple[Kept, Grant]:
            current, user = found.get(key), UserState.read(found.get(user_key))
            if current is None or has_ended(ceremony, user):
                raise _refused()
            known = _json.read(current.value)
            proof = possession.used(found, now)
            if known.used_jti is not None:
                return proof, known
            used = Grant(ceremony=known.ceremony, acr=known.acr, used_jti=jti)
            return {**proof, key: used.record(now)}, used

        def told(redeemed: Grant) -> Sequence[Row]:
            return rows(redeemed) if redeemed.used_jti == jti else ()

        grant = await self._store.update_many([key, user_key, *possession.keys], decide, now, told)
        if grant.used_jti is not None and grant.used_jti != jti:
            user = grant.ceremony.login.user(self._issuer)
            if not self._revocations.names(grant.used_jti, None, user):
                await self._end(grant.used_jti, grant, now)  # once: who goes on fills no table with it
            raise _refused()
        await self._events.tell(issued, in_phase=True)
        return self._mint.elevated(grant.ceremony, jti=jti, acr=grant.acr, life=grant.token_life, now=now)

    def _is_revoked(self, ceremony: Ceremony) -> bool:
        """Whether the app signed out since: its token would outlive what the log says of the login."""
        login = ceremony.login
        return self._revocations.names(ceremony.subject_jti, login.sid, login.user(self._issuer))

    async def _end(self, jti: str, grant: Grant, now: float) -> None:
        event = self._event("code-replayed", grant, now)
        if await self._revocations.revoke("token", jti, now + grant.token_life, self._events.rows(event)):
            await self._events.tell(event, written=True)

    def _event(self, kind: EventKind, grant: Grant, now: float) -> SecurityEvent:
        ceremony = grant.ceremony
        return SecurityEvent(
            kind=kind,
            user=ceremony.login.user(self._issuer),
            at=now,
            client_id=ceremony.client_id,
            ceremony=ceremony.id,
            instance=ceremony.instance,
        )


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
