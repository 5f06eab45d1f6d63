"""Whose ceremony it is: the subject token names the user, and nothing else does (upstile profile §3 "Start")."""

import logging
from typing import NamedTuple

from upstile.server._errors import AuthorizationError, IssuerUnavailable
from upstile.server.authorization._response import temporarily_unavailable
from upstile.server.authorization.ceremony._ceremony import Ceremony
from upstile.server.authorization.user._budgets import Side, is_lost
from upstile.server.authorization.user._elsewhere import Elsewhere, NoLogin
from upstile.server.authorization.user._logins import BaseLogin
from upstile.server.authorization.user._user_state import UserState
from upstile.server.resource.tokens._access_token import AccessToken
from upstile.server.resource.tokens._verifier import InvalidToken, Verifier, verify_or_look
from upstile.server.storage import Revocations, generation_of

_log = logging.getLogger("upstile.server")


class Subject(NamedTuple):
    """Whose ceremony starts.

    Attributes:
        token: what the subject token says; of another issuer's, in our terms.
        login: the base login, where that is a sign-in at another issuer; one of ours is read by its `sid`.
    """

    token: AccessToken
    login: BaseLogin | None


class Subjects:
    """Judges subject tokens as a resource server would, and again before a code is issued.

    Args:
        verifier: for tokens of this server, for any of its resources; and of issuers whose sign-ins count here.
        elsewhere: makes base logins of those.
        revocations: what has ended.
        issuer: our issuer identifier.
    """

    def __init__(self, *, verifier: Verifier, elsewhere: Elsewhere, revocations: Revocations, issuer: str) -> None:
        self._verifier = verifier
        self._elsewhere = elsewhere
        self._revocations = revocations
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
            AuthorizationError: `invalid_grant`; or `temporarily_unavailable` where its issuer could not be asked.
        """
        verified = await self._verified(text, now)
        token, login = await self._in_our_terms(verified, now)
        if token.client_id != client_id:
            raise refused("the subject token is another client's")
        # Another issuer's token names us as it does, and has been judged by that; so has whom else it is for.
        if login is None and resource not in token.audience and resource != self._issuer:
            raise refused("the subject token is for another resource")
        if login is None and token.jkt is None and len(token.audience) > 1:
            raise refused("an unbound subject token must be for one resource only")
        if token.jkt is not None and token.jkt != jkt:
            raise refused("the subject token is bound to another key")
        if token.single_use:
            raise refused("a token for one call names nobody")
        if self._revocations.covers(token):
            raise refused("the base login has ended")
        return Subject(token, login)

    async def _verified(self, text: str, now: float) -> AccessToken:
        try:
            return await verify_or_look(self._verifier, text, now)
        except InvalidToken as error:
            raise refused(f"the subject token is not acceptable: {error}") from error
        except IssuerUnavailable as error:
            _log.warning("a subject token could not be judged: %s", error)
            raise temporarily_unavailable("the issuer of the subject token cannot be asked") from error

    async def _in_our_terms(self, token: AccessToken, now: float) -> Subject:
        try:
            found = await self._elsewhere.read(token, now)
        except NoLogin as error:
            raise refused(f"the subject token is not acceptable: {error}") from error
        return Subject(token, None) if found is None else Subject(found.token, found.login)

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
