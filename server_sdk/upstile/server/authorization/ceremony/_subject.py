"""Whose ceremony it is: the subject token names the user, and nothing else does (upstile profile §3 "Start")."""

import logging
from typing import NamedTuple

from upstile.protocol import base64url_decode, base64url_encode
from upstile.server._errors import AuthorizationError, ConfigurationError, IssuerUnavailable
from upstile.server.authorization._response import temporarily_unavailable
from upstile.server.authorization.ceremony._ceremony import Ceremony
from upstile.server.authorization.user._budgets import Side, is_lost
from upstile.server.authorization.user._elsewhere import Elsewhere, NoLogin
from upstile.server.authorization.user._logins import BaseLogin
from upstile.server.authorization.user._user_state import UserState
from upstile.server.keys._seal import Seal
from upstile.server.resource.tokens._access_token import AccessToken
from upstile.server.resource.tokens._verifier import InvalidToken, Verifier, verify_or_look
from upstile.server.storage import Revocations, generation_of

_LABEL = "subject-token"
_log = logging.getLogger("upstile.server")


class Subject(NamedTuple):
    """Whose ceremony starts.

    Attributes:
        token: what the subject token says; of another issuer's, in our terms.
        login: the base login, where that is a sign-in at another issuer; one of ours is read by its `sid`.
        sealed: then also the text of the token, encrypted, to be judged again.
    """

    token: AccessToken
    login: BaseLogin | None = None
    sealed: str | None = None


class Subjects:
    """Judges subject tokens as a resource server would, and again before a code is issued.

    Args:
        verifier: for tokens of this server, for any of its resources; and of issuers whose sign-ins count here.
        elsewhere: makes base logins of those.
        revocations: what has ended.
        seal: encrypts tokens that have to be judged again.
        issuer: our issuer identifier.
    """

    def __init__(
        self, *, verifier: Verifier, elsewhere: Elsewhere, revocations: Revocations, seal: Seal, issuer: str
    ) -> None:
        self._verifier = verifier
        self._elsewhere = elsewhere
        self._revocations = revocations
        self._seal = seal
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
        token, login = await self._in_our_terms(text, now)
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
        return Subject(token, login, None if login is None else self._sealed(text, login))

    async def _verified(self, text: str, now: float) -> AccessToken:
        try:
            return await verify_or_look(self._verifier, text, now)
        except InvalidToken as error:
            raise refused(f"the subject token is not acceptable: {error}") from error
        except IssuerUnavailable as error:
            _log.warning("a subject token could not be judged: %s", error)
            raise temporarily_unavailable("the issuer of the subject token cannot be asked") from error

    async def _in_our_terms(self, text: str, now: float) -> tuple[AccessToken, BaseLogin | None]:
        token = await self._verified(text, now)
        try:
            found = await self._elsewhere.read(token, now)
        except NoLogin as error:
            raise refused(f"the subject token is not acceptable: {error}") from error
        return (token, None) if found is None else (found.token, found.login)

    def _sealed(self, text: str, login: BaseLogin) -> str:
        place = self._place(login.subject, login.jti)
        return base64url_encode(self._seal.close(text.encode(), label=_LABEL, bound=place))

    def _place(self, subject: str, jti: str) -> tuple[str, ...]:
        return self._issuer, subject, jti, "subject"

    async def still_good(self, ceremony: Ceremony, now: float) -> None:
        """Judge again what the ceremony began with; nothing was counted yet.

        Raises:
            AuthorizationError: `invalid_grant`; or `temporarily_unavailable` where its issuer could not be asked.
        """
        if now >= ceremony.subject_expires_at:
            raise refused("the subject token has expired")
        login = ceremony.login
        if self._revocations.names(ceremony.subject_jti, login.sid, login.user(self._issuer)):
            raise refused("the base login has ended")
        if ceremony.subject_sealed is not None:
            _, again = await self._in_our_terms(self._opened(ceremony, ceremony.subject_sealed), now)
            if again is None or _whose(again) != _whose(login):
                raise refused("the subject token is somebody else's by now")

    def _opened(self, ceremony: Ceremony, sealed: str) -> str:
        place = self._place(ceremony.login.subject, ceremony.subject_jti)
        try:
            return self._seal.open(base64url_decode(sealed), label=_LABEL, bound=place).decode()
        except ConfigurationError as error:  # the key was taken away meanwhile
            raise refused("the subject token cannot be read any more") from error


def _whose(login: BaseLogin) -> tuple[str, str, str | None]:
    """Whose sign-in it is, by which app and key: what must not change while a ceremony goes on."""
    return login.subject, login.client_id, login.jkt


def check_login(login: BaseLogin, user: UserState, side: Side) -> None:
    """Raise `invalid_grant` if a base login was ended, or has used up its answers: that is said before any lock."""
    if generation_of(login.sid) < user.first_login:
        raise refused("all sign-ins of this user were ended: sign in again")
    if is_lost(user, login, side):
        raise refused("this sign-in has used up its attempts: sign in again")


def refused(description: str) -> AuthorizationError:
    """The base login is no good: no ceremony is shown."""
    return AuthorizationError("invalid_grant", description)
