"""What the application tells us on its own word: who signed in, how and when."""

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from secrets import token_urlsafe

from upstile.protocol import AUTHENTICATORS_SCOPE, TokenResponse
from upstile.server._errors import ConfigurationError
from upstile.server.audit import Events, SecurityEvent
from upstile.server.authorization._acr import check_amr
from upstile.server.authorization._apps import Apps
from upstile.server.authorization._lives import LOGIN_LIFE
from upstile.server.authorization._possession import Possession
from upstile.server.authorization.tokens._tokens import TokenMint
from upstile.server.authorization.user._account import at_least
from upstile.server.authorization.user._cooling import CoolingOff
from upstile.server.authorization.user._logins import BaseLogin
from upstile.server.authorization.user._restore_cancels import RestoreCancels
from upstile.server.authorization.user._user_state import UserState
from upstile.server.storage import LONGEST_NAME, Account, Found, Kept, Names, Revocations, Storage, User

SKEW = 60
"""Seconds by which the clocks of the application's machines may differ."""


class SignIn:
    """Begins base logins.

    Args:
        issuer: our issuer identifier, and the resource that base tokens are for.
        apps: the registered apps.
        mint: makes the tokens of base logins.
        storage: the users, and their base logins.
        names: makes the keys of one-time state.
        revocations: what has ended.
        events: is told.
        restore_cancels: ends a way back by mail when a known key signs in.
        cooling: knows until when some things stay closed after a reset.
        life: seconds that a base login lasts.
        elsewhere: the issuer at which all users sign in instead, if there is one.

    Attributes:
        apps: the registered apps.
    """

    def __init__(
        self,
        *,
        issuer: str,
        apps: Apps,
        mint: TokenMint,
        storage: Storage,
        names: Names,
        revocations: Revocations,
        events: Events,
        restore_cancels: RestoreCancels,
        cooling: CoolingOff,
        life: float = LOGIN_LIFE,
        elsewhere: str | None = None,
    ) -> None:
        self._issuer = issuer
        self.apps = apps
        self._mint = mint
        self._storage = storage
        self._names = names
        self._revocations = revocations
        self._events = events
        self._restore_cancels = restore_cancels
        self._cooling = cooling
        self._life = int(life)
        self._elsewhere = elsewhere

    async def start_session(
        self,
        subject: str,
        *,
        amr: Sequence[str],
        now: float,
        possession: Possession,
        client_id: str | None = None,
        account_name: str | None = None,
        auth_time: float | None = None,
    ) -> TokenResponse:
        """A base login and its token.

        It is of the generation that the account has when it is read: a reset that comes after that ends it.

        Args:
            subject: the user.
            amr: what the application checked (RFC 8176), e.g. `["pwd"]`.
            now: epoch seconds.
            possession: the key that the token will be bound to, if the app proved one.
            client_id: the app; may be left out where one is registered.
            account_name: what the user calls the account; prompts show it masked.
            auth_time: when the user signed in, where that was earlier (epoch seconds).

        Raises:
            ConfigurationError: `subject`, `amr` or `auth_time` make no sense; or users sign in elsewhere.
        """
        if self._elsewhere is not None:
            raise ConfigurationError(
                f"people sign in at {self._elsewhere} under the names that it gives them, so start_session could take "
                "one for another: give ExternalLogins its users="
            )
        check_subject(subject)
        check_amr(amr)
        signed_in_at = _checked_time(auth_time, now)
        client = self.apps.only() if client_id is None else self.apps.get(client_id)
        account = await self._account(User(self._issuer, subject))
        login = BaseLogin(
            sid=_sid(account),
            jti=token_urlsafe(16),
            subject=subject,
            client_id=client.client_id,
            amr=tuple(amr),
            auth_time=signed_in_at,
            jkt=possession.jkt,
            account=account_name,
            expires_at=int(now) + self._life,
            settled_at=await self._cooling.until(account.user, now),  # read after the account
        )
        event = SecurityEvent(kind="login", user=account.user, client_id=client.client_id, at=now)
        while ended := await self._keep(login, account, possession, event, now):
            account = await self._raised(account.user, *ended)
            login = replace(login, sid=_sid(account), settled_at=await self._cooling.until(account.user, now))
        await self._restore_cancels.signed_in(account, possession.jkt, client.client_id, now)
        await self._events.tell(event, in_phase=True)
        scope = client.scopes - {AUTHENTICATORS_SCOPE}  # which only a ceremony grants (upstile profile §8)
        return self._mint.base(login, resource=self._issuer, scope=scope, now=now)

    async def _keep(
        self, login: BaseLogin, account: Account, possession: Possession, event: SecurityEvent, now: float
    ) -> tuple[int, int] | None:
        """Write a login, unless the user was forgotten and has ended logins: then what is still good, and nothing else.

        So it is where that was a moment ago, and this node has not read it in the log yet. What is counted for the user
        would outlive the log, and all their logins would be of the past. Of a user with an account it is left so: a
        backup was restored that knows less, and the help desk has to look.
        """
        key, user_key = self._names("login", login.sid), self._names("user", login.subject)
        rows = self._events.in_phase(event)
        forgotten = not (account.logins or account.proofs or account.authenticators)

        def keep(found: Found) -> tuple[Kept, tuple[int, int] | None]:
            state = UserState.read(found.get(user_key))
            if forgotten and (state.first_login or state.first_proof):
                return {}, (state.first_login, state.first_proof)
            seen = {} if state.seen else {user_key: replace(state, seen=True).record(now)}
            return {**possession.used(found, now), **seen, key: login.record()}, None

        return await self._storage.one_time.update_many(
            [key, user_key, *possession.keys], keep, now, lambda ended: () if ended else rows(ended)
        )

    async def _account(self, user: User) -> Account:
        """The account; one that was forgotten goes on with its numbers as long as the log knows of its end."""
        account = await self._storage.durable.account(user)
        logins, proofs = self._revocations.first_good(user)
        if account.logins >= logins and account.proofs >= proofs:
            return account
        return await self._raised(user, logins, proofs)

    async def _raised(self, user: User, logins: int, proofs: int) -> Account:
        return await self._storage.durable.change_account(user, lambda found: at_least(found, logins, proofs))


def _sid(account: Account) -> str:
    return f"{account.logins}.{token_urlsafe(16)}"


def check_subject(subject: object) -> None:
    """Refuse what names nobody, and what not every store keeps: PostgreSQL has no NUL, UTF-8 no half of a pair.

    Raises:
        ConfigurationError: it is empty, or no text, or cannot be stored.
    """
    if not subject or not isinstance(subject, str):
        raise ConfigurationError(f"subject={subject!r} must be a text that names the user")
    if len(subject) > LONGEST_NAME or any(c == "\0" or "\ud800" <= c <= "\udfff" for c in subject):
        raise ConfigurationError(
            f"subject={subject[:40]!r} cannot be stored: a user's name has at most {LONGEST_NAME} characters, "
            "and no NUL or surrogate among them"
        )


def _checked_time(auth_time: float | None, now: float) -> int:
    if auth_time is None:
        return int(now)
    is_number = isinstance(auth_time, int | float) and not isinstance(auth_time, bool)  # pyright: ignore[reportUnnecessaryIsInstance]
    if not is_number or not isfinite(auth_time) or not 0 <= auth_time <= now + SKEW:
        raise ConfigurationError(
            f"auth_time={auth_time!r} must be when the user signed in, in epoch seconds: not later"
        )
    return int(min(auth_time, now))
