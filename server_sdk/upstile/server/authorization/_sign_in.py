"""What the application tells us on its own word: who signed in, and who may begin anew."""

from collections.abc import Sequence
from hashlib import sha256
from secrets import token_urlsafe

from upstile.protocol import TokenResponse
from upstile.server._errors import ConfigurationError
from upstile.server._events import Events, SecurityEvent
from upstile.server.authorization._acr import check_amr
from upstile.server.authorization._apps import Apps
from upstile.server.authorization._budgets import forget_keys
from upstile.server.authorization._logins import Logins
from upstile.server.authorization._tokens import LONGEST_LIFE, TokenMint
from upstile.server.storage import DurableStore, EphemeralStore, Record, Revocations, User

LOGIN_LIFE = 12 * 3600
"""Seconds that a base login lasts; as long as its factors count towards `mfa`."""
ENROLMENT_CODE_LIFE = 600


class SignIn:
    """Begins base logins and issues enrolment codes, on the application's word.

    Args:
        issuer: our issuer identifier, and the resource that base tokens are for.
        clients: the registered apps.
        logins: keeps the base logins.
        mint: makes their tokens.
        store: keeps enrolment codes, hashed.
        durable: the authenticators.
        revocations: where sign-ins end.
        events: is told.
    """

    def __init__(
        self,
        *,
        issuer: str,
        clients: Apps,
        logins: Logins,
        mint: TokenMint,
        store: EphemeralStore,
        durable: DurableStore,
        revocations: Revocations,
        events: Events,
    ) -> None:
        self._issuer = issuer
        self._apps = clients
        self._logins = logins
        self._mint = mint
        self._store = store
        self._durable = durable
        self._revocations = revocations
        self._events = events

    async def start_session(
        self,
        subject: str,
        *,
        amr: Sequence[str],
        now: float,
        jkt: str | None,
        client_id: str | None = None,
        account: str | None = None,
    ) -> TokenResponse:
        """A base login and its token.

        Args:
            subject: the user.
            amr: what the application checked (RFC 8176), e.g. `["pwd"]`.
            now: epoch seconds.
            jkt: the key that the token will be bound to, if the app proved one.
            client_id: the app; may be left out where one is registered.
            account: what the user calls the account; prompts show it masked.

        Raises:
            ConfigurationError: `subject` or `amr` make no sense.
        """
        if not subject or not isinstance(subject, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"subject={subject!r} must be a text that names the user")
        check_amr(amr)
        client = self._apps.only() if client_id is None else self._apps.get(client_id)
        login = await self._logins.begin(
            now,
            subject=subject,
            client_id=client.client_id,
            amr=tuple(amr),
            auth_time=int(now),
            jkt=jkt,
            account=account,
            expires_at=int(now) + LOGIN_LIFE,
        )
        user = login.user(self._issuer)
        await self._events.tell(SecurityEvent(kind="login", user=user, client_id=client.client_id, at=now))
        return self._mint.base(login, resource=self._issuer, scope=client.scopes, now=now)

    async def enrolment_code(self, subject: str, now: float) -> str:
        """A code that lets the user enrol a first authenticator: single use, ten minutes, over a safe channel."""
        code = token_urlsafe(16)
        user = User(self._issuer, subject)
        record = Record(value=subject.encode(), expires_at=now + ENROLMENT_CODE_LIFE)
        await self._store.update(enrolment_key(code), lambda _: (record, None), now)
        await self._events.tell(SecurityEvent(kind="enrolment-code-issued", user=user, at=now))
        return code

    async def disable_authenticators(self, subject: str, now: float) -> None:
        """Take all that a user has enrolled out of use, and end what came of it: sign-ins, tokens, known keys."""
        user = User(self._issuer, subject)
        await self._revocations.revoke_all(user, now + LOGIN_LIFE + LONGEST_LIFE, now)
        await self._durable.disable_all(user)
        await forget_keys(self._store, user, now)
        await self._events.tell(SecurityEvent(kind="authenticator-disabled", user=user, at=now))


def enrolment_key(code: str) -> str:
    """Where an enrolment code is kept."""
    return "enrolment:" + sha256(code.encode()).hexdigest()
