"""Who may change the authenticators of a user: the strongest proof they can give, or the rule for the first one.

A bearer token alone never authorises the first enrolment (upstile profile §8).
"""

from collections.abc import Sequence

from upstile.protocol import AUTHENTICATORS_SCOPE, Requirement
from upstile.server._errors import Rejection
from upstile.server.authorization._acr import BaseFactors
from upstile.server.authorization._logins import BaseLogin
from upstile.server.authorization._offers import strongest_reachable
from upstile.server.authorization._shown import shown
from upstile.server.authorization._spoken_code import compared
from upstile.server.authorization.methods import Method
from upstile.server.resource._guard import Guard, GuardedCall
from upstile.server.resource._refusal import problem
from upstile.server.storage import AuthenticatorRecord, Found, Kept, Names, OneTimeStore

FRESH_LOGIN = 600
"""Seconds for which a base login may enrol the first authenticator."""
CHANGE_MAX_AGE = 60
"""Seconds for which a ceremony entitles to changes."""
_REASON = "Confirm it is you before the ways you sign in are changed"


class EnrolmentRights:
    """Decides whether a verified call may add, rename or remove authenticators.

    Args:
        guard: judges the requirement.
        methods: all methods, the strongest first.
        store: the base logins, and the enrolment codes.
        names: makes their keys.
    """

    def __init__(self, *, guard: Guard, methods: tuple[Method, ...], store: OneTimeStore, names: Names) -> None:
        self._guard = guard
        self._methods = methods
        self._store = store
        self._names = names

    async def to_add(
        self, call: GuardedCall, records: Sequence[AuthenticatorRecord], code: str | None, now: float
    ) -> bool:
        """May the caller enrol another authenticator? Raises `Rejection` if not.

        Returns:
            Whether it may only because nothing is in use; an enrolment code has to be used up then (`use_code`).
        """
        if any(record.state == "active" for record in records):
            await self.to_change(call, records, now)
            return False
        if not await self._may_enrol_first(call, records, code, now):
            raise _first_enrolment()
        return True

    async def use_code(self, call: GuardedCall, code: str, now: float) -> None:
        """Use an enrolment code up; one caller can. Raises `Rejection` for the others."""
        key = self._names("enrolment", compared(code))

        def take(found: Found) -> tuple[Kept, None]:
            record = found.get(key)
            if record is None or record.value != call.token.subject.encode():
                raise _first_enrolment()
            return {key: None}, None

        await self._store.update_many([key], take, now)

    async def to_change(self, call: GuardedCall, records: Sequence[AuthenticatorRecord], now: float) -> None:
        """May the caller change what is enrolled? Raises `Rejection` if not."""
        login = await self._login(call, now)
        base = login.factors if login else BaseFactors(amr=(), auth_time=0)
        requirement = Requirement(
            acr=strongest_reachable(base, self._methods, records, now),
            max_age=CHANGE_MAX_AGE,
            scope=AUTHENTICATORS_SCOPE,
            reason=_REASON,
        )
        await self._guard.require(call, requirement, now)

    async def account(self, call: GuardedCall, now: float) -> str:
        """What the user calls the account, for the authenticator's own display."""
        login = await self._login(call, now)
        return shown((login.account if login else None) or call.token.subject) or "account"

    async def _may_enrol_first(
        self, call: GuardedCall, records: Sequence[AuthenticatorRecord], code: str | None, now: float
    ) -> bool:
        if code is not None:
            key = self._names("enrolment", compared(code))
            record = (await self._store.get_many([key], now)).get(key)
            return record is not None and record.value == call.token.subject.encode()
        if any(record.state == "disabled" for record in records):
            return False  # it counts as enrolled: only the deployment can help
        login = await self._login(call, now)
        fresh = login is not None and login.jti == call.token.jti and now - login.auth_time <= FRESH_LOGIN
        return fresh and call.token.jkt is not None  # the guard has seen the proof by this key

    async def _login(self, call: GuardedCall, now: float) -> BaseLogin | None:
        key = self._names("login", call.token.sid or "")
        return BaseLogin.read((await self._store.get_many([key], now)).get(key))


def _first_enrolment() -> Rejection:
    title = "A first authenticator needs a fresh sign-in by an app that proves its key, or an enrolment code"
    return problem("first-enrolment", 403, title)
