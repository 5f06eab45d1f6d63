"""Base logins: what the application's own sign-in told us, kept for as long as its token lives."""

from secrets import token_urlsafe
from typing import Any

from upstile.protocol import Message
from upstile.server.authorization._acr import BaseFactors
from upstile.server.storage import EphemeralStore, Record, User


class BaseLogin(Message):
    """A base login.

    Attributes:
        sid: its identifier; every token that stems from it carries it.
        jti: its own token, as opposed to an elevated one.
        subject: the user, at our own issuer.
        client_id: the app that the user signed in with.
        amr, auth_time: how and when (epoch seconds) the user signed in.
        jkt: the key that its token is bound to.
        account: what the user calls the account, such as the e-mail address.
        expires_at: epoch seconds.
    """

    sid: str
    jti: str
    subject: str
    client_id: str
    amr: tuple[str, ...]
    auth_time: int
    jkt: str | None = None
    account: str | None = None
    expires_at: int

    @property
    def factors(self) -> BaseFactors:
        """What it proved."""
        return BaseFactors(amr=self.amr, auth_time=self.auth_time)

    def user(self, issuer: str) -> User:
        """The user behind it."""
        return User(issuer, self.subject)


class Logins:
    """Keeps base logins."""

    def __init__(self, store: EphemeralStore) -> None:
        self._store = store

    async def begin(self, now: float, **members: Any) -> BaseLogin:
        """Keep a new base login."""
        login = BaseLogin(sid=token_urlsafe(16), jti=token_urlsafe(16), **members)
        record = Record(value=login.to_json(), expires_at=login.expires_at)
        await self._store.update(_key(login.sid), lambda _: (record, None), now)
        return login

    async def get(self, sid: str, now: float) -> BaseLogin | None:
        """The live base login with this identifier."""
        record = await self._store.get(_key(sid), now)
        return BaseLogin.from_json(record.value) if record else None


def masked(account: str | None) -> str | None:
    """An account as a prompt shows it: recognisable to its owner, of little use to others."""
    if account is None:
        return None
    name, at, domain = account.partition("@")
    shown = name[:2] if len(name) > 3 else name[:1]
    return f"{shown}••{at}{domain}"


def _key(sid: str) -> str:
    return f"login:{sid}"
