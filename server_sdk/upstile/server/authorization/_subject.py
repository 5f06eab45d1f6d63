"""Whose ceremony it is: the subject token names the user, and nothing else does (upstile profile §3 "Start")."""

from dataclasses import dataclass

from upstile.server._errors import AuthorizationError
from upstile.server.authorization._budgets import Budgets, LoginLost
from upstile.server.authorization._ceremony import Ceremony
from upstile.server.authorization._logins import BaseLogin, Logins
from upstile.server.resource._access_token import AccessToken
from upstile.server.resource._jwt import InvalidToken, Verifier
from upstile.server.storage import Revocations


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A verified subject token and the base login that it stems from."""

    token: AccessToken
    login: BaseLogin


class Subjects:
    """Judges subject tokens as a resource server would, and again before a code is issued.

    Args:
        verifier: for tokens of this server, for any of its resources.
        logins: the base logins.
        revocations: the tokens that were revoked.
        budgets: whether the base login may still run ceremonies.
        issuer: our issuer identifier.
    """

    def __init__(
        self, *, verifier: Verifier, logins: Logins, revocations: Revocations, budgets: Budgets, issuer: str
    ) -> None:
        self._verifier = verifier
        self._logins = logins
        self._revocations = revocations
        self._budgets = budgets
        self._issuer = issuer

    async def judge(self, text: str, *, client_id: str, jkt: str | None, resource: str, now: float) -> Subject:
        """The subject of a start.

        Args:
            text: the subject token.
            client_id: the app that starts; the token must be its own.
            jkt: the ceremony's key; a bound token must be bound to it.
            resource: what the ceremony is for; the token must be for it, too, or for us where it is ourselves.
            now: epoch seconds.

        Raises:
            AuthorizationError: `invalid_grant`.
        """
        try:
            token = self._verifier.verify(text, now)
        except InvalidToken as error:
            raise _refused(f"the subject token is not acceptable: {error}") from error
        if token.client_id != client_id:
            raise _refused("the subject token is another client's")
        if resource not in token.audience and resource != self._issuer:
            raise _refused("the subject token is for another resource")
        if token.jkt is None and len(token.audience) > 1:
            raise _refused("an unbound subject token must be for one resource only")
        if token.jkt is not None and token.jkt != jkt:
            raise _refused("the subject token is bound to another key")
        if token.single_use:
            raise _refused("a token for one call names nobody")
        return Subject(token=token, login=await self._login(token.jti, token.sid, jkt, now))

    async def still_good(self, ceremony: Ceremony, now: float) -> None:
        """Judge again what the ceremony began with.

        Raises:
            AuthorizationError: `invalid_grant`.
        """
        if now >= ceremony.subject_expires_at:
            raise _refused("the subject token has expired")
        await self._login(ceremony.subject_jti, ceremony.login.sid, ceremony.jkt, now)

    async def _login(self, jti: str, sid: str | None, jkt: str | None, now: float) -> BaseLogin:
        await self._revocations.refresh(now)
        login = await self._logins.get(sid, now) if sid else None
        if login is None or self._revocations.is_revoked(jti, sid):
            raise _refused("the base login has ended")
        if self._revocations.has_ended(self._issuer, login.subject, login.auth_time):
            raise _refused("all sign-ins of this user were ended: sign in again")
        try:
            await self._budgets.check_login(login.user(self._issuer), login, jkt, now)
        except LoginLost as error:
            raise login_lost() from error
        return login


def login_lost() -> AuthorizationError:
    """The base login used up its wrong answers."""
    return _refused("this sign-in has used up its attempts: sign in again")


def _refused(description: str) -> AuthorizationError:
    return AuthorizationError("invalid_grant", description)
