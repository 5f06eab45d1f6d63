"""Whose ceremony it is: the subject token names the user, and nothing else does (upstile profile §3 "Start")."""

from upstile.server._errors import AuthorizationError
from upstile.server.authorization.ceremony._ceremony import Ceremony
from upstile.server.authorization.user._budgets import Side, is_lost
from upstile.server.authorization.user._logins import BaseLogin
from upstile.server.authorization.user._user_state import UserState
from upstile.server.resource.tokens._access_token import AccessToken
from upstile.server.resource.tokens._verifier import InvalidToken, Verifier, verify_or_look
from upstile.server.storage import Revocations, generation_of


class Subjects:
    """Judges subject tokens as a resource server would, and again before a code is issued.

    Args:
        verifier: for tokens of this server, for any of its resources.
        revocations: what has ended.
        issuer: our issuer identifier.
    """

    def __init__(self, *, verifier: Verifier, revocations: Revocations, issuer: str) -> None:
        self._verifier = verifier
        self._revocations = revocations
        self._issuer = issuer

    async def judge(self, text: str, *, client_id: str, jkt: str | None, resource: str, now: float) -> AccessToken:
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
            token = await verify_or_look(self._verifier, text, now)
        except InvalidToken as error:
            raise refused(f"the subject token is not acceptable: {error}") from error
        if token.client_id != client_id:
            raise refused("the subject token is another client's")
        if resource not in token.audience and resource != self._issuer:
            raise refused("the subject token is for another resource")
        if token.jkt is None and len(token.audience) > 1:
            raise refused("an unbound subject token must be for one resource only")
        if token.jkt is not None and token.jkt != jkt:
            raise refused("the subject token is bound to another key")
        if token.single_use:
            raise refused("a token for one call names nobody")
        if self._revocations.covers(token):
            raise refused("the base login has ended")
        return token

    def still_good(self, ceremony: Ceremony, now: float) -> None:
        """Judge again what the ceremony began with.

        Raises:
            AuthorizationError: `invalid_grant`.
        """
        if now >= ceremony.subject_expires_at:
            raise refused("the subject token has expired")
        login = ceremony.login
        if self._revocations.names(ceremony.subject_jti, login.sid, login.user(self._issuer)):
            raise refused("the base login has ended")


def check_login(login: BaseLogin, user: UserState, side: Side) -> None:
    """Raise `invalid_grant` if a base login was ended, or has used up its answers: that is said before any lock."""
    if generation_of(login.sid) < user.first_login:
        raise refused("all sign-ins of this user were ended: sign in again")
    if is_lost(user, login, side):
        raise refused("this sign-in has used up its attempts: sign in again")


def refused(description: str) -> AuthorizationError:
    """The base login is no good: no ceremony is shown."""
    return AuthorizationError("invalid_grant", description)
