"""A start: who asks, for what, and may they (upstile profile §3 "Start"). One read, one transaction."""

from dataclasses import dataclass
from secrets import token_urlsafe

from upstile.protocol import AUTHENTICATORS_SCOPE, StartRequest
from upstile.server._changed import changed
from upstile.server._errors import AuthorizationError
from upstile.server._http import HttpResponse
from upstile.server.audit import Events, SecurityEvent, in_words, learn
from upstile.server.authorization._acr import OFFERED
from upstile.server.authorization._apps import Apps
from upstile.server.authorization._possession import Possession
from upstile.server.authorization.ceremony._ceremony import Ceremony
from upstile.server.authorization.ceremony._steps import Asked, Steps, slow_down, unmet
from upstile.server.authorization.ceremony._subject import Subject, Subjects, check_login, refused
from upstile.server.authorization.user._budgets import Side, count_start, left, side_of
from upstile.server.authorization.user._cooling import CoolingOff
from upstile.server.authorization.user._ends import caught_up
from upstile.server.authorization.user._logins import BaseLogin
from upstile.server.authorization.user._restore_cancels import RestoreCancels
from upstile.server.authorization.user._user_state import UserState
from upstile.server.storage import Account, Found, Kept, Names, OneTimeKey, Storage, User


@dataclass(frozen=True, slots=True)
class _Count:
    """The one transaction of a start: counted, and the step kept."""

    login: OneTimeKey
    user: OneTimeKey
    account: Account
    possession: Possession
    subject: Subject
    now: float

    def read(self, found: Found) -> tuple[UserState, BaseLogin, Side]:
        user, login = UserState.read(found.get(self.user)), self.subject.login
        login = login or BaseLogin.read(found.get(self.login))
        user = caught_up(user, self.account)
        if login is None or login.subject != self.subject.token.subject:
            raise refused("the base login has ended")
        side = side_of(user, self.possession.jkt, self.now)
        check_login(login, user, side)
        return user, login, side

    def __call__(self, found: Found, asked: Asked) -> tuple[Kept, None]:
        user, login, side = self.read(found)
        counted = count_start(user, login, side, self.now, guessable=asked.guessable)
        if isinstance(counted, int):
            raise slow_down("too many ceremonies were started", counted)
        proof = self.possession.used(found, self.now)
        # One elsewhere is kept from here on, for the tokens that come of it: they may be subject tokens as well.
        kept = {} if self.subject.login is None else {self.login: login.record()}
        return {**proof, **kept, **asked.kept, self.user: counted.record(self.now)}, None


class Starts:
    """Opens ceremonies.

    Args:
        resources: the resource identifiers that tokens can be had for.
        issuer: our issuer identifier.
        apps: the registered apps.
        subjects: judges the subject token.
        steps: makes the reply.
        restore_cancels: ends a way back by mail when a known key comes with a sign-in at another issuer.
        storage: the users' authenticators, and what is counted.
        names: makes the keys of what is counted.
        cooling: knows until when some things stay closed after a reset.
        events: is told.
    """

    def __init__(
        self,
        *,
        resources: frozenset[str],
        issuer: str,
        apps: Apps,
        subjects: Subjects,
        steps: Steps,
        restore_cancels: RestoreCancels,
        storage: Storage,
        names: Names,
        cooling: CoolingOff,
        events: Events,
    ) -> None:
        self._resources = resources
        self._issuer = issuer
        self._apps = apps
        self._subjects = subjects
        self._steps = steps
        self._restore_cancels = restore_cancels
        self._storage = storage
        self._names = names
        self._cooling = cooling
        self._events = events

    async def handle(self, start: StartRequest, possession: Possession, now: float) -> HttpResponse:
        """Judge a start and ask for the first proof.

        Raises:
            AuthorizationError: the start is refused; a refused one is not counted.
        """
        app = self._apps.get(start.client_id)
        learn(client_id=app.client_id, instance=start.instance)
        if start.resource not in self._resources:
            raise AuthorizationError("invalid_target", "this resource is not known here")
        if start.authorization_details not in (None, "[]"):
            raise AuthorizationError("invalid_authorization_details", "no type of authorization details is known here")
        subject = await self._subjects.judge(
            start.subject_token, client_id=start.client_id, jkt=possession.jkt, resource=start.resource, now=now
        )
        token = subject.token
        account = await self._storage.durable.account(User(self._issuer, token.subject))
        settled_at = await self._cooling.until(account.user, now)  # after the account: of its reset, or a later one
        learn(user=account.user)
        keys = self._names("login", token.sid or ""), self._names("user", token.subject)
        count = _Count(*keys, account, possession, subject, now)
        user, login, side = count.read(await self._storage.one_time.get_many(keys, now))
        ceremony = self._ceremony(start, subject, login, app.scopes, possession.jkt, account.proofs, now)
        ceremony = changed(ceremony, settled_at=settled_at)
        learn(ceremony=ceremony.id, requirement=in_words(ceremony.acr_values, ceremony.max_age))
        plans = self._steps.plan(ceremony, self._steps.held(account), user, side, now)
        asked = self._steps.ask(ceremony, plans, left(user, login, side), now)
        written = [*keys, *asked.kept, *possession.keys]
        started = SecurityEvent(kind="ceremony-started", user=account.user, client_id=ceremony.client_id, at=now)
        rows = self._events.in_phase(started)
        await self._storage.one_time.update_many(written, lambda found: count(found, asked), now, rows)
        await self._events.tell(started, in_phase=True)
        if subject.login is not None:  # of our own it was told when it began
            await self._restore_cancels.signed_in(account, possession.jkt, ceremony.client_id, now)
        return asked.reply

    def _ceremony(
        self,
        start: StartRequest,
        subject: Subject,
        login: BaseLogin,
        allowed: frozenset[str],
        jkt: str | None,
        generation: int,
        now: float,
    ) -> Ceremony:
        """What was asked, in names that are known here: nothing else is kept."""
        token, asked = subject.token, frozenset((start.scope or "").split())
        acr_values = (start.acr_values or "").split()
        known = tuple(acr for acr in dict.fromkeys(acr_values) if acr in OFFERED)
        if acr_values and not known:
            raise unmet()
        methods = None if start.authn_methods_supported is None else start.authn_methods_supported.split()
        return Ceremony(
            login=login,
            subject_jti=token.jti,
            subject_expires_at=token.expires_at,
            subject_sealed=subject.sealed,
            generation=generation,
            client_id=start.client_id,
            jkt=jkt,
            resource=start.resource,
            scope=(token.scope | asked) & (allowed | {AUTHENTICATORS_SCOPE}),
            acr_values=known,
            max_age=None if start.max_age is None else int(start.max_age),
            code_challenge=start.code_challenge,
            methods=None if methods is None else self._steps.known(methods),
            offered={},
            id=token_urlsafe(12),
            instance=start.instance,
        )
