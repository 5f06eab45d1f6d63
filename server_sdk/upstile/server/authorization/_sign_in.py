"""What the application tells us on its own word: who signed in, and who may begin anew."""

from collections.abc import Sequence
from dataclasses import replace
from secrets import token_urlsafe

from upstile.protocol import TokenResponse
from upstile.server._errors import ConfigurationError
from upstile.server.audit import Events, SecurityEvent
from upstile.server.authorization._account import ended, unchanged
from upstile.server.authorization._acr import check_amr
from upstile.server.authorization._apps import Apps
from upstile.server.authorization._budgets import UserState
from upstile.server.authorization._lives import ENROLMENT_CODE_LIFE, LOGIN_LIFE, LONGEST_LIFE
from upstile.server.authorization._logins import BaseLogin
from upstile.server.authorization._possession import Possession
from upstile.server.authorization._tokens import TokenMint
from upstile.server.storage import Found, Kept, Names, Record, Revocations, Storage, User


class SignIn:
    """Begins base logins and issues enrolment codes, on the application's word.

    Args:
        issuer: our issuer identifier, and the resource that base tokens are for.
        apps: the registered apps.
        mint: makes the tokens of base logins.
        storage: the users, their base logins, and enrolment codes.
        names: makes the keys of one-time state.
        revocations: where sign-ins end.
        events: is told.
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
    ) -> None:
        self._issuer = issuer
        self._apps = apps
        self._mint = mint
        self._storage = storage
        self._names = names
        self._revocations = revocations
        self._events = events

    async def start_session(
        self,
        subject: str,
        *,
        amr: Sequence[str],
        now: float,
        possession: Possession,
        client_id: str | None = None,
        account_name: str | None = None,
    ) -> TokenResponse:
        """A base login and its token.

        Args:
            subject: the user.
            amr: what the application checked (RFC 8176), e.g. `["pwd"]`.
            now: epoch seconds.
            possession: the key that the token will be bound to, if the app proved one.
            client_id: the app; may be left out where one is registered.
            account_name: what the user calls the account; prompts show it masked.

        Raises:
            ConfigurationError: `subject` or `amr` make no sense.
        """
        if not subject or not isinstance(subject, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"subject={subject!r} must be a text that names the user")
        check_amr(amr)
        client = self._apps.only() if client_id is None else self._apps.get(client_id)
        user = User(self._issuer, subject)
        account = await self._storage.durable.account(user)
        login = BaseLogin(
            sid=f"{account.logins}.{token_urlsafe(16)}",
            jti=token_urlsafe(16),
            subject=subject,
            client_id=client.client_id,
            amr=tuple(amr),
            auth_time=int(now),
            jkt=possession.jkt,
            account=account_name,
            expires_at=int(now) + LOGIN_LIFE,
        )
        key = self._names("login", login.sid)

        def keep(found: Found) -> tuple[Kept, None]:
            return {**possession.used(found, now), key: login.record()}, None

        event = SecurityEvent(kind="login", user=user, client_id=client.client_id, at=now)
        rows = self._events.in_phase(event)
        await self._storage.one_time.update_many([key, *possession.keys], keep, now, rows)
        await self._events.tell(event, in_phase=True)
        return self._mint.base(login, resource=self._issuer, scope=client.scopes, now=now)

    async def enrolment_code(self, subject: str, now: float) -> str:
        """A code that lets the user enrol a first authenticator: single use, ten minutes, over a safe channel."""
        code = token_urlsafe(16)
        user = User(self._issuer, subject)
        key = self._names("enrolment", code)
        record = Record(value=subject.encode(), expires_at=now + ENROLMENT_CODE_LIFE)
        event = SecurityEvent(kind="enrolment-code-issued", user=user, at=now)
        # First, durably, that it is done: what cannot be told is not done.
        await self._storage.durable.change_account(user, unchanged, lambda _: self._events.rows(event))
        await self._storage.one_time.update_many([key], lambda _: ({key: record}, None), now)
        await self._events.tell(event, written=True)
        return code

    async def disable_authenticators(self, subject: str, now: float) -> None:
        """Take all that a user has enrolled out of use, and end what came of it: sign-ins, tokens, known keys."""
        user, key = User(self._issuer, subject), self._names("user", subject)
        event = SecurityEvent(kind="authenticator-disabled", user=user, at=now)
        account = await self._storage.durable.change_account(user, ended, lambda _: self._events.rows(event))
        self._revocations.ended(account, now + LOGIN_LIFE + LONGEST_LIFE)

        def forget(found: Found) -> tuple[Kept, None]:
            state = UserState.read(found.get(key))
            state = replace(
                state,
                known={},
                first_login=max(state.first_login, account.logins),
                first_proof=max(state.first_proof, account.proofs),
            )
            return {key: state.record(now)}, None

        await self._storage.one_time.update_many([key], forget, now)
        await self._events.tell(event, written=True)
