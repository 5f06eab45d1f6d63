"""Which methods a step offers: those that can still reach what was asked, the strongest first (upstile profile §3)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from upstile.server.authorization._acr import OFFERED, best_base, reaches
from upstile.server.authorization.ceremony._ceremony import Ceremony
from upstile.server.authorization.methods import Method, Offered, Purpose, Traits
from upstile.server.authorization.user._budgets import Side, closed_to
from upstile.server.authorization.user._user_state import UserState
from upstile.server.storage import Account, AuthenticatorRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """One method that a step will offer.

    Attributes:
        method: the method.
        authenticators: the user's active ones of this method.
        user_verification: whether the answer must show it, because nothing asked is reachable without.
    """

    method: Method
    authenticators: tuple[AuthenticatorRecord, ...]
    user_verification: bool

    @property
    def key(self) -> str:
        """What the method's part of the ceremony is remembered by."""
        return self.method.traits.key

    def offered(self, purpose: Purpose, before: Mapping[str, Any]) -> Offered:
        """The offer itself, with a fresh challenge where the method has one."""
        verification = self.user_verification
        return self.method.offer(self.authenticators, purpose, user_verification=verification, before=before)


def plan_offers(
    ceremony: Ceremony, methods: Iterable[Method], held: Sequence[AuthenticatorRecord], now: float
) -> list[Plan]:
    """The methods to offer for this ceremony; `methods` come in order of strength."""
    own = {method: active_of(method, held) for method in methods if _is_known_to(ceremony, method)}
    ready = [method for method, records in own.items() if records]
    plans: list[Plan] = []
    for method in ready:
        verification = _verification_needed(ceremony, method, ready, now)
        if verification is not None:
            plans.append(Plan(method=method, authenticators=own[method], user_verification=verification))
    return plans


def held(account: Account, methods: Iterable[Method]) -> tuple[AuthenticatorRecord, ...]:
    """What a user can answer with: what is enrolled, and a record that nobody stores for what everybody has."""
    return (*account.authenticators, *(everybodys(method.traits) for method in methods if not method.traits.enrolled))


def everybodys(traits: Traits) -> AuthenticatorRecord:
    """What stands for a method that is not enrolled; no authenticator has an identifier as short as a method's name."""
    return AuthenticatorRecord(id=traits.key, method=traits.key, name=traits.name, state="active", created=0, data={})


def active_of(method: Method, held: Iterable[AuthenticatorRecord]) -> tuple[AuthenticatorRecord, ...]:
    """The user's active authenticators of a method."""
    return tuple(record for record in held if record.method == method.traits.key and record.state == "active")


def open_to(held: Sequence[AuthenticatorRecord], user: UserState, side: Side) -> tuple[AuthenticatorRecord, ...]:
    """Those that this side may use: what too many wrong answers closed is for known keys only."""
    if side is not None:
        return tuple(held)
    closed = closed_to(user, side)
    return tuple(record for record in held if not record.closed and record.id not in closed)


def bar_for_changes(methods: Iterable[Method], enrolled: Sequence[AuthenticatorRecord], now: float) -> tuple[str, ...]:
    """What a change of authenticators asks: the strongest acr that the *user* can reach (upstile profile §8).

    With what is enrolled, closed or locked or not, beside the best that any sign-in could lend: the caller's own login
    may be weaker, and lowers nothing. Empty where nothing that is enrolled reaches any acr.
    """
    active = {record.method for record in enrolled if record.state == "active"}
    used = [method for method in methods if method.traits.key in active]
    proofs = [method.potential(user_verification=True, now=now) for method in used]
    return tuple(acr for acr in OFFERED if any(reaches(acr, [proof], best_base(now), now) for proof in proofs))[:1]


def could_complete(ceremony: Ceremony, method: Method, beside: Sequence[Method], now: float) -> bool:
    """Whether the ceremony could be completed if the user had this method beside others."""
    return _verification_needed(ceremony, method, beside, now) is not None


def _is_known_to(ceremony: Ceremony, method: Method) -> bool:
    return ceremony.methods is None or method.traits.name in ceremony.methods


def _verification_needed(ceremony: Ceremony, method: Method, beside: Sequence[Method], now: float) -> bool | None:
    """Whether the method needs user verification to complete the ceremony; `None` where it does not help to.

    Where it cannot alone, it helps if it can together with another one that cannot alone either.
    """
    for verification in (False, True):
        proof = method.potential(user_verification=verification, now=now)
        if ceremony.would_complete((proof,), now):
            return verification
    proof = method.potential(user_verification=False, now=now)
    others = (other.potential(user_verification=False, now=now) for other in beside)
    helps = any(
        ceremony.would_complete((proof, other), now) and not ceremony.would_complete((other,), now) for other in others
    )
    return False if helps else None
