"""Which methods a step offers: those that can still reach what was asked, the strongest first (upstile profile §3)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from upstile.server.authorization._acr import OFFERED, best_base, reaches
from upstile.server.authorization.ceremony._ceremony import Ceremony
from upstile.server.authorization.methods import Method, Offered, Purpose
from upstile.server.authorization.user._budgets import Side, closed_to
from upstile.server.authorization.user._user_state import UserState
from upstile.server.storage import AuthenticatorRecord


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

    def offered(self, purpose: Purpose) -> Offered:
        """The offer itself, with a fresh challenge where the method has one."""
        return self.method.offer(self.authenticators, purpose, user_verification=self.user_verification)


def plan_offers(
    ceremony: Ceremony, methods: Iterable[Method], enrolled: Sequence[AuthenticatorRecord], now: float
) -> list[Plan]:
    """The methods to offer for this ceremony; `methods` come in order of strength."""
    plans: list[Plan] = []
    for method in methods:
        own = active_of(method, enrolled)
        if not own or (ceremony.methods is not None and method.name not in ceremony.methods):
            continue
        verification = _verification_needed(ceremony, method, now)
        if verification is not None:
            plans.append(Plan(method=method, authenticators=own, user_verification=verification))
    return plans


def active_of(method: Method, enrolled: Sequence[AuthenticatorRecord]) -> tuple[AuthenticatorRecord, ...]:
    """The user's active authenticators of a method."""
    return tuple(record for record in enrolled if record.method == method.name and record.state == "active")


def open_to(enrolled: Sequence[AuthenticatorRecord], user: UserState, side: Side) -> tuple[AuthenticatorRecord, ...]:
    """Those that this side may use: what too many wrong answers closed is for known keys only."""
    if side is not None:
        return tuple(enrolled)
    closed = closed_to(user, side)
    return tuple(record for record in enrolled if not record.closed and record.id not in closed)


def bar_for_changes(methods: Iterable[Method], enrolled: Sequence[AuthenticatorRecord], now: float) -> tuple[str, ...]:
    """What a change of authenticators asks: the strongest acr that the *user* can reach (upstile profile §8).

    With what is enrolled, closed or locked or not, beside the best that any sign-in could lend: the caller's own login
    may be weaker, and lowers nothing. Empty where nothing that is enrolled reaches any acr.
    """
    active = {record.method for record in enrolled if record.state == "active"}
    proofs = [method.potential(user_verification=True, now=now) for method in methods if method.name in active]
    return tuple(acr for acr in OFFERED if any(reaches(acr, [proof], best_base(now), now) for proof in proofs))[:1]


def could_complete(ceremony: Ceremony, method: Method, now: float) -> bool:
    """Whether the ceremony would be complete if the user had this method."""
    return _verification_needed(ceremony, method, now) is not None


def _verification_needed(ceremony: Ceremony, method: Method, now: float) -> bool | None:
    """Whether the method needs user verification to complete the ceremony; `None` where it cannot complete it."""
    for verification in (False, True):
        proof = method.potential(user_verification=verification, now=now)
        if ceremony.would_complete(proof, now):
            return verification
    return None
