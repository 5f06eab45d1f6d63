"""Who may change the authenticators of a user: the strongest proof they can give, or the rule for the first one.

A bearer token alone never authorises the first enrolment (upstile profile §8).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from upstile.protocol import AUTHENTICATORS_SCOPE, Requirement, spoken_code
from upstile.server._errors import Rejection
from upstile.server._words import AFTER_A_RESET, WRONG_CODE, Case
from upstile.server.authorization.ceremony._offers import bar_for_changes
from upstile.server.authorization.enrolment._shown import shown
from upstile.server.authorization.methods import Method
from upstile.server.authorization.user._account import live
from upstile.server.authorization.user._budgets import side_of
from upstile.server.authorization.user._logins import BaseLogin
from upstile.server.authorization.user._user_state import UserState
from upstile.server.resource._guard import Guard
from upstile.server.resource._guarded_call import GuardedCall
from upstile.server.resource._refusal import problem
from upstile.server.storage import (
    Account,
    AuthenticatorRecord,
    DecideAccount,
    Found,
    Kept,
    Names,
    OneTimeStore,
    Record,
    generation_of,
)

T = TypeVar("T")
Bar = tuple[str, ...]
"""What a change asks for: the strongest acr that the user can reach, or nothing where none can be reached."""

FRESH_LOGIN = 600
"""Seconds for which a base login may enrol the first authenticator."""
CHANGE_MAX_AGE = 60
"""Seconds for which a ceremony entitles to changes."""
_REASON = "Confirm it is you before the ways you sign in are changed"


@dataclass(slots=True)
class ElsewhereCall(GuardedCall):
    """A call with the token of another issuer, in our terms.

    Attributes:
        login: the sign-in there; it is stored nowhere before a ceremony starts.
    """

    login: BaseLogin | None = None


class BarMoved(Exception):
    """When the change was to be written, another bar held than the one that was judged.

    Attributes:
        bar: the one that holds.
    """

    def __init__(self, bar: Bar) -> None:
        super().__init__(bar)
        self.bar = bar


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
        self._ways = {method.traits.key for method in methods if not method.traits.backup}
        self._configured = {method.traits.key for method in methods}
        self._store = store
        self._names = names

    async def to_add(
        self, call: GuardedCall, records: Sequence[AuthenticatorRecord], code: str | None, now: float
    ) -> Bar:
        """May the caller enrol another authenticator? Raises `Rejection` if not.

        Returns:
            The bar. It is empty where they may only by the rule for the first one; an enrolment code has to be used up
            then (`use_code`).
        """
        if code is not None and not await self._is_right(call, code, now):
            raise first_enrolment(WRONG_CODE)
        bar = bar_for_changes(self._methods, records, now)
        if bar:
            await self.reached(call, bar, now)
        elif code is None:
            await self._first(call, records, now)
        return bar

    async def use_code(self, call: GuardedCall, code: str, now: float) -> None:
        """Use an enrolment code up; one caller can. Raises `Rejection` for the others."""
        key = self._names("enrolment", spoken_code(code))

        def take(found: Found) -> tuple[Kept, None]:
            record = found.get(key)
            if not _is_for(record, call):
                raise first_enrolment(WRONG_CODE)
            return {key: None}, None

        await self._store.update_many([key], take, now)

    async def to_change(self, call: GuardedCall, records: Sequence[AuthenticatorRecord], now: float) -> Bar:
        """May the caller change what is enrolled? Raises `Rejection` if not.

        Returns:
            The bar. It is empty where they may only by the rule for the first one, so that nothing is theirs but what
            they have begun.
        """
        return await self.to_add(call, records, None, now)

    async def to_open(self, call: GuardedCall, records: Sequence[AuthenticatorRecord], now: float) -> Bar:
        """May the caller open what wrong answers closed to unknown keys? Raises `Rejection` if not.

        Only by a ceremony, also where the rule for the first one serves for all else: a fresh sign-in is what the
        guesser has. An unknown key cannot have used what is closed, so it used another authenticator. Where nothing
        that is enrolled reaches any bar, that may have been a password or a mailbox: then a known key has to ask.

        Returns:
            The bar.
        """
        bar = bar_for_changes(self._methods, records, now)
        await self.reached(call, bar, now)
        if not bar and not await self._is_known(call, now):
            raise first_enrolment()
        return bar

    async def _is_known(self, call: GuardedCall, now: float) -> bool:
        key = self._names("user", call.token.subject)
        user = UserState.read((await self._store.get_many([key], now)).get(key))
        return side_of(user, call.token.jkt, now) is not None

    def is_a_way(self, record: AuthenticatorRecord) -> bool:
        """Whether a user who has only this one can confirm something with it."""
        return record.state == "active" and record.method in self._ways

    def is_still_first(self, records: Sequence[AuthenticatorRecord], now: float) -> bool:
        """Whether the rule for the first one applies to a user with these: nothing enrolled reaches anything."""
        return not bar_for_changes(self._methods, records, now) and not self._is_out_of_use(records)

    def _is_out_of_use(self, records: Sequence[AuthenticatorRecord]) -> bool:
        """Whether something counts as enrolled that nobody can answer with: only the help desk leads on.

        It was disabled; or its method is no longer configured, which must open an account to nobody.
        """
        return any(
            record.state == "disabled" or (record.state == "active" and record.method not in self._configured)
            for record in records
        )

    def under(self, bar: Bar, decide: DecideAccount[T], now: float) -> DecideAccount[T]:
        """The same decision, but only where this bar still holds; what it decides on may have changed since.

        Raises:
            BarMoved: in the transaction, of which nothing is kept.
        """

        def judged(account: Account) -> tuple[Account, T]:
            holds = bar_for_changes(self._methods, live(account, now), now)
            if holds != bar:
                raise BarMoved(holds)
            return decide(account)

        return judged

    async def fresh(self, call: GuardedCall, now: float) -> None:
        """Is the call made with a fresh sign-in by an app that proves its key? Raises `Rejection` if not."""
        login = await self._login(call, now)
        is_fresh = login is not None and login.jti == call.token.jti and now - login.auth_time <= FRESH_LOGIN
        if not is_fresh or call.token.jkt is None:  # the guard has seen the proof by this key
            raise first_enrolment()

    async def account(self, call: GuardedCall, now: float) -> str:
        """What the user calls the account, for the authenticator's own display."""
        login = await self._login(call, now)
        return shown((login.account if login else None) or call.token.subject) or "account"

    async def reached(self, call: GuardedCall, bar: Bar, now: float) -> None:
        """Does a ceremony of the caller reach this bar? Raises `Rejection` if not."""
        requirement = Requirement(acr=bar, max_age=CHANGE_MAX_AGE, scope=AUTHENTICATORS_SCOPE, reason=_REASON)
        await self._guard.require(call, requirement, now)

    async def _first(self, call: GuardedCall, records: Sequence[AuthenticatorRecord], now: float) -> None:
        """The rule for the first one without a code: a fresh sign-in by an app that proves its key."""
        if self._is_out_of_use(records):
            raise first_enrolment(AFTER_A_RESET)
        await self.fresh(call, now)

    async def _is_right(self, call: GuardedCall, code: str, now: float) -> bool:
        key = self._names("enrolment", spoken_code(code))
        record = (await self._store.get_many([key], now)).get(key)
        return _is_for(record, call)

    async def _login(self, call: GuardedCall, now: float) -> BaseLogin | None:
        if isinstance(call, ElsewhereCall):
            return call.login
        key = self._names("login", call.token.sid or "")
        return BaseLogin.read((await self._store.get_many([key], now)).get(key))


def enrolment_code_for(subject: str, generation: int) -> bytes:
    """What an enrolment code says: for whom, and of which generation of sign-ins. With these it ends as well."""
    return f"{generation} {subject}".encode()


def _is_for(record: Record | None, call: GuardedCall) -> bool:
    generation = generation_of(call.token.sid or "")
    return record is not None and record.value == enrolment_code_for(call.token.subject, generation)


def first_enrolment(case: Case | None = None) -> Rejection:
    """What is said to who may not begin a first enrolment."""
    return problem("first-enrolment", 403, case=case)
