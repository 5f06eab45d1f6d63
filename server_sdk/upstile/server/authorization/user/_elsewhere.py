"""Sign-ins at other issuers, as base logins of ours (upstile profile §3 "Start", docs/decisions/0022).

The token of another issuer says who signed in, when and where; what it says beyond that is the issuer's affair: it
reaches no acr here, has no scope for authenticators, and serves no call of another kind.
"""

import asyncio
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

from upstile.protocol import AUTHENTICATORS_SCOPE, base64url_encode, json_compact
from upstile.server._errors import ConfigurationError
from upstile.server.authorization._apps import Apps
from upstile.server.authorization._sign_in import SKEW, check_subject
from upstile.server.authorization.user._logins import BaseLogin
from upstile.server.resource._external_logins import LoginsAt
from upstile.server.resource.tokens._access_token import AccessToken
from upstile.server.storage import DurableStore, Revocations, User


class NoLogin(Exception):
    """A token of another issuer is nobody's sign-in here; the text is for developers."""


class AsOurs(NamedTuple):
    """A sign-in at another issuer: the base login, and the token as if it were one of ours."""

    login: BaseLogin
    token: AccessToken


class Elsewhere:
    """Makes base logins of sign-ins at other issuers.

    Args:
        issuer: our issuer identifier.
        logins: the issuers whose sign-ins count, by identifier.
        apps: the registered apps.
        durable: the accounts, with the number of their sign-ins that is still good.
        revocations: which sign-ins were ended, and when.
        life: seconds that a sign-in lasts.
    """

    def __init__(
        self,
        *,
        issuer: str,
        logins: Mapping[str, LoginsAt],
        apps: Apps,
        durable: DurableStore,
        revocations: Revocations,
        life: float,
    ) -> None:
        self._issuer = issuer
        self._logins = logins
        self._apps = apps
        self._durable = durable
        self._revocations = revocations
        self._life = int(life)

    async def read(self, token: AccessToken, now: float) -> AsOurs | None:
        """The sign-in that a verified token stems from; `None` where the token is ours.

        Raises:
            NoLogin: it cannot be one, is over, or was ended.
        """
        if token.issuer == self._issuer:
            return None
        there = self._logins.get(token.issuer)
        if there is None:
            raise NoLogin("sign-ins at its issuer do not count here")
        if token.jkt is None and there.is_for_others(token):
            raise NoLogin("an unbound subject token must be for one resource only")
        subject, signed_in_at = _checked(token.subject), self._time(token, now)
        number = await self._number(token, now)
        login = BaseLogin(
            sid=f"{number}.{_name(token)}",
            jti=_digest(token.issuer, token.jti),
            subject=subject,
            client_id=self._app(there, token),
            amr=tuple(name for name in token.amr if name in there.options.trusted_amr),
            auth_time=signed_in_at,
            jkt=token.jkt,
            expires_at=signed_in_at + self._life,
        )
        return AsOurs(login, self._as_ours(token, login))

    def _time(self, token: AccessToken, now: float) -> int:
        if token.auth_time is None or token.auth_time > now + SKEW:
            raise NoLogin("it does not say when its user signed in: its issuer has to put auth_time into access tokens")
        if now - token.auth_time >= self._life:
            raise NoLogin("its user signed in too long ago: sign in again")
        return int(min(token.auth_time, now))

    async def _number(self, token: AccessToken, now: float) -> int:
        """Which of the user's generations of sign-ins it belongs to: the one that is good, or it was ended.

        The account is exact, while the log, which says when, may be a moment behind: then it is read first. Where it
        says nothing, the end is longer ago than any sign-in lasts.
        """
        user = User(self._issuer, token.subject)
        account = await self._durable.account(user)
        if account.logins > self._revocations.first_good(user)[0]:
            await asyncio.to_thread(self._revocations.look, now)
        if self._revocations.covers(token):
            raise NoLogin("all sign-ins of this user were ended: sign in again")
        return max(account.logins, self._revocations.first_good(user)[0])

    def _app(self, there: LoginsAt, token: AccessToken) -> str:
        app = there.options.clients.get(token.client_id, token.client_id)
        if not self._apps.has(app):
            raise NoLogin("its client is no app that is registered here, and clients= maps it to none")
        return app

    def _as_ours(self, token: AccessToken, login: BaseLogin) -> AccessToken:
        return token._replace(
            issuer=self._issuer,
            client_id=login.client_id,
            scope=token.scope - {AUTHENTICATORS_SCOPE},
            acr=frozenset(),
            amr=login.amr,
            auth_time=login.auth_time,
            jti=login.jti,
            sid=login.sid,
            single_use=False,
            authorization_details=(),
        )


def _name(token: AccessToken) -> str:
    """What is counted for a sign-in is counted under this: never under the token, which a refresh replaces.

    Nor under a time of ours: while its issuer's clock is ahead, that would be another one each second.

    Its user is part of it: a `sid` that an issuer gives to two of them is no sign-in of both.
    """
    if token.sid:
        return _digest("sid", token.issuer, token.subject, token.sid)
    return _digest("auth_time", token.issuer, token.subject, int(token.auth_time or 0))


def _digest(*parts: object) -> str:
    return base64url_encode(sha256(json_compact(parts)).digest())


def _checked(subject: str) -> str:
    try:
        check_subject(subject)
    except ConfigurationError as error:
        raise NoLogin("the name of its user cannot be stored") from error
    return subject
