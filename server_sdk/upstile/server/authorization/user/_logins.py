"""Base logins: what the application's own sign-in told us, kept for as long as its token lives."""

from dataclasses import dataclass

from upstile.server.authorization._acr import BaseFactors
from upstile.server.authorization._json import Json
from upstile.server.storage import Record, User


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseLogin:
    """A base login.

    Attributes:
        sid: its identifier; every token that stems from it carries it. It begins with the user's generation of logins.
        jti: its own token, as opposed to an elevated one.
        subject: the user, at our own issuer.
        client_id: the app that the user signed in with.
        amr, auth_time: how and when (epoch seconds) the user signed in.
        jkt: the key that its token is bound to.
        account: what the user calls the account, such as the e-mail address.
        expires_at: epoch seconds.
        settled_at: until when (epoch seconds) some things stay closed to the user after a reset.
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
    settled_at: int | None = None

    @property
    def factors(self) -> BaseFactors:
        """What it proved."""
        return BaseFactors(amr=self.amr, auth_time=self.auth_time)

    def user(self, issuer: str) -> User:
        """The user behind it."""
        return User(issuer, self.subject)

    @classmethod
    def read(cls, record: Record | None) -> "BaseLogin | None":
        """The login in a record; `None` where it has ended."""
        return None if record is None else _json.read(record.value)

    def record(self) -> Record:
        """The record to keep."""
        return Record(value=_json.write(self), expires_at=self.expires_at)


_json = Json(BaseLogin)


def masked(account: str | None) -> str | None:
    """An account as a prompt shows it: recognisable to its owner, of little use to others."""
    if account is None:
        return None
    name, at, domain = account.partition("@")
    shown = name[:2] if len(name) > 3 else name[:1]
    return f"{shown}••{at}{domain}"
