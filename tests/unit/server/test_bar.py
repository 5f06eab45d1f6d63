"""The bar for changing authenticators belongs to the user, not to the caller's login (upstile profile §8).

What a user can reach is worked out here by trying every sign-in with everything that is enrolled.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from upstile.protocol import Requirement
from upstile.server._errors import Rejection
from upstile.server.authorization._acr import BASE_MAX_AGE, OFFERED, SATISFIES, BaseFactors, Factor, Proof, reached
from upstile.server.authorization.ceremony._offers import bar_for_changes
from upstile.server.authorization.enrolment._enrolment_rights import EnrolmentRights
from upstile.server.authorization.methods import Method, Traits
from upstile.server.authorization.user._logins import BaseLogin
from upstile.server.resource._evaluate import Satisfied, evaluate
from upstile.server.resource._guard import Guard
from upstile.server.resource._guarded_call import GuardedCall
from upstile.server.resource._issuer import Issuer
from upstile.server.resource._refusal import problem
from upstile.server.resource.tokens._access_token import AccessToken
from upstile.server.storage import AuthenticatorRecord, Names, OneTimeKey, OneTimeStore, Record

NOW = 1_800_000_000
ISSUER = Issuer(identifier="https://as.example", satisfies=SATISFIES, acr_values_supported=OFFERED)
AMR = ("pwd", "pin", "otp", "swk", "hwk", "sms", "user", "mfa", "face", "kba")
names = Names(ISSUER.identifier)
names.load(bytes(32))


@dataclass(frozen=True)
class Kind:
    """A method, as far as what it proves goes."""

    name: str
    factors: frozenset[Factor]
    verified: frozenset[Factor] = frozenset()

    @property
    def traits(self) -> Traits:
        return Traits(name=self.name)

    def potential(self, *, user_verification: bool, now: float) -> Proof:
        more = self.verified if user_verification else frozenset[Factor]()
        return Proof(method=self.name, factors=self.factors | more, amr=(), phishing_resistant=bool(more), at=int(now))


KINDS = {
    kind.name: kind
    for kind in (
        Kind("webauthn", frozenset({Factor.POSSESSION}), frozenset({Factor.INHERENCE})),
        Kind("totp", frozenset({Factor.POSSESSION})),
        Kind("phrase", frozenset({Factor.KNOWLEDGE})),
        Kind("mail", frozenset()),  # a proof that is no factor: it never reaches an acr
    )
}
METHODS = cast(tuple[Method, ...], tuple(KINDS.values()))

unhurried = settings(deadline=None)
authenticators = st.builds(
    AuthenticatorRecord,
    id=st.uuids().map(str),
    method=st.sampled_from(sorted(KINDS)),
    name=st.just("mine"),
    state=st.sampled_from(["active", "active", "disabled", "pending"]),
    created=st.just(NOW),
    data=st.just({}),
    closed=st.booleans(),
)
enrolled_sets = st.lists(authenticators, max_size=5)
logins = st.builds(
    lambda amr, age: BaseFactors(amr=tuple(sorted(amr)), auth_time=NOW - age),
    st.sets(st.sampled_from(AMR)),
    st.sampled_from([0, 600, 601, BASE_MAX_AGE, BASE_MAX_AGE + 1]),
)


def _rank(acr: str | None) -> int:
    """The stronger, the higher; 0 where nothing was reached."""
    return 0 if acr is None else len(OFFERED) - OFFERED.index(acr)


def _active(enrolled: Sequence[AuthenticatorRecord]) -> set[str]:
    return {record.method for record in enrolled if record.state == "active"}


def _reached(methods: Collection[str], login: BaseFactors) -> str | None:
    """The strongest that comes of answering with all of these."""
    proofs = [KINDS[name].potential(user_verification=True, now=NOW) for name in sorted(methods)]
    return reached((), proofs, login, NOW)


def _by_any_sign_in(enrolled: Sequence[AuthenticatorRecord]) -> int:
    """The strongest that this user can reach: every sign-in, with every set of what is enrolled."""
    sign_ins = [BaseFactors(amr=amr, auth_time=NOW) for n in (0, 1, 2) for amr in combinations(AMR, n)]
    active = sorted(_active(enrolled))
    chosen = [some for n in range(len(active) + 1) for some in combinations(active, n)]
    return max(_rank(_reached(some, login)) for some in chosen for login in sign_ins)


@unhurried
@given(enrolled_sets)
def test_the_bar_is_what_the_user_reaches_with_one_authenticator_and_never_less_than_by_any_sign_in(
    enrolled: list[AuthenticatorRecord],
) -> None:
    bar = bar_for_changes(METHODS, enrolled, NOW)
    assert _rank(bar[0] if bar else None) == _by_any_sign_in(enrolled)


@unhurried
@given(enrolled_sets, authenticators)
def test_to_remove_or_to_open_one_yields_nothing_above_what_was_asked(
    enrolled: list[AuthenticatorRecord], one: AuthenticatorRecord
) -> None:
    bar = bar_for_changes(METHODS, [*enrolled, one], NOW)
    assert _rank(bar[0] if bar else None) >= _by_any_sign_in(enrolled)


def _may(
    change: str, enrolled: Sequence[AuthenticatorRecord], login: BaseFactors, acr: str | None, *, elevated: bool = True
) -> bool:
    """Whether the rules let a token do it: one of a ceremony just now, or that of the sign-in itself."""
    base = _login(login)
    rights = EnrolmentRights(
        guard=cast(Guard, _Judge()), methods=METHODS, store=cast(OneTimeStore, _Logins(base)), names=names
    )
    call = GuardedCall(_token(base, acr, elevated=elevated), "dpop")
    try:
        asyncio.run(_asked(rights, change, call, enrolled))
    except Rejection:
        return False
    return True


async def _asked(
    rights: EnrolmentRights, change: str, call: GuardedCall, enrolled: Sequence[AuthenticatorRecord]
) -> None:
    if change == "add":
        await rights.to_add(call, enrolled, None, NOW)
    elif change == "open":
        await rights.to_open(call, enrolled, NOW)
    else:
        await rights.to_change(call, enrolled, NOW)


SMS = BaseFactors(amr=("sms",), auth_time=NOW)
PHONE = AuthenticatorRecord(id="a", method="totp", name="phone", state="active", created=NOW, data={})
KEY = AuthenticatorRecord(id="b", method="webauthn", name="key", state="active", created=NOW, data={}, closed=True)


@pytest.mark.requirement("profile-8-bar")
@unhurried
@example("add", [PHONE], SMS)
@example("change", [PHONE, KEY], SMS)
@given(st.sampled_from(["add", "change", "open"]), enrolled_sets, logins)
def test_whoever_changes_anything_has_reached_the_strongest_that_the_user_can_reach(
    change: str, enrolled: list[AuthenticatorRecord], login: BaseFactors
) -> None:
    active = sorted(_active(enrolled))
    for some in (chosen for n in range(1, len(active) + 1) for chosen in combinations(active, n)):
        acr = _reached(some, login)
        if _may(change, enrolled, login, acr):
            assert _rank(acr) >= _by_any_sign_in(enrolled)
        else:
            assert _rank(acr) < _by_any_sign_in(enrolled) or not _by_any_sign_in(enrolled)


@unhurried
@given(st.sampled_from(["add", "change", "open"]), enrolled_sets, logins)
def test_a_sign_in_alone_changes_only_what_nobody_could_protect(
    change: str, enrolled: list[AuthenticatorRecord], login: BaseFactors
) -> None:
    if _may(change, enrolled, login, None, elevated=False):
        assert change != "open"
        assert _by_any_sign_in(enrolled) == 0
        assert all(record.state != "disabled" for record in enrolled)
        assert NOW - login.auth_time <= 600


def _login(login: BaseFactors) -> BaseLogin:
    return BaseLogin(
        sid="0.s",
        jti="base",
        subject="ada",
        client_id="cli",
        amr=login.amr,
        auth_time=login.auth_time,
        jkt="key",
        expires_at=NOW + 60,
    )


def _token(login: BaseLogin, acr: str | None, *, elevated: bool) -> AccessToken:
    return AccessToken(
        issuer=ISSUER.identifier,
        subject="ada",
        client_id="cli",
        audience=(ISSUER.identifier,),
        scope=frozenset({"authenticators"} if elevated else ()),
        acr=ISSUER.satisfied_by(acr),
        amr=(),
        auth_time=NOW if elevated else login.auth_time,
        issued_at=NOW,
        expires_at=NOW + 60,
        jti="proof" if elevated else login.jti,
        sid=login.sid,
        jkt=login.jkt,
        single_use=False,
        authorization_details=(),
    )


class _Judge:
    """As much of the guard as decides: the pure evaluation."""

    async def require(self, call: GuardedCall, requirement: Requirement, now: float) -> None:
        if not isinstance(evaluate(requirement, call.token, issuer=ISSUER, now=now, once=False), Satisfied):
            raise problem("insufficient-user-authentication", 401, "no")


class _Logins:
    """As much of the store as is read: one base login."""

    def __init__(self, login: BaseLogin) -> None:
        self._login = login

    async def get_many(self, keys: Sequence[OneTimeKey], now: Any) -> dict[OneTimeKey, Record]:
        return dict.fromkeys(keys, self._login.record())
