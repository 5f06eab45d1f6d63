"""What the acr names of the embedded server mean, and which of them some proofs reach: pure (upstile profile §1, §4).

A factor is knowledge, possession or inherence. Two proofs of one kind are one factor.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from upstile.server._errors import ConfigurationError

MFA, PHR, PHRH = "mfa", "phr", "phrh"

SATISFIES = {PHRH: {PHR}, PHR: {MFA}}
"""The embedded server's own table."""
OFFERED = (PHR, MFA)
"""What it can reach with all methods, the strongest first.

NOTE: `phrh` needs verified attestation, for which no roots can be configured yet."""
BASE_MAX_AGE = 12 * 3600
"""Seconds for which a factor of the base login counts towards `mfa`."""


class Factor(StrEnum):
    """The kinds of authentication factors (NIST SP 800-63B-4 §2)."""

    KNOWLEDGE = "knowledge"
    POSSESSION = "possession"
    INHERENCE = "inherence"


_BASE_KINDS = {
    "pwd": Factor.KNOWLEDGE,
    "pin": Factor.KNOWLEDGE,
    "otp": Factor.POSSESSION,
    "swk": Factor.POSSESSION,
    "hwk": Factor.POSSESSION,
}


# RFC 8176 §2
_REGISTERED = frozenset(
    {"face", "fpt", "geo", "hwk", "iris", "kba", "mca", "mfa", "otp", "pin", "pop"}
    | {"pwd", "rba", "retina", "sc", "sms", "swk", "tel", "user", "vbm", "wia"}
)


def check_amr(amr: Sequence[str]) -> None:
    """Check what an application says its sign-in checked; a name that nobody knows would count for nothing.

    Raises:
        ConfigurationError: a text instead of a list of texts, or a name that is not registered.
    """
    unknown = [amr] if isinstance(amr, str) else sorted({str(name) for name in amr} - _REGISTERED)
    if unknown:
        hint = "a list of values of RFC 8176, such as ['pwd'] for a password or ['pwd', 'otp']"
        raise ConfigurationError(f"amr holds {unknown[0]!r}; it must be {hint}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """One verified proof of a ceremony.

    Attributes:
        method: the method's name.
        factors: the kinds that it proved; WebAuthn with user verification proves two.
        amr: RFC 8176 values.
        phishing_resistant: it was bound to our origin by the authenticator, with user verification.
        at: epoch seconds.
    """

    method: str
    factors: frozenset[Factor]
    amr: tuple[str, ...]
    phishing_resistant: bool
    at: int


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseFactors:
    """What the base login proved, by its own word."""

    amr: tuple[str, ...]
    auth_time: int

    def kinds(self, now: float) -> frozenset[Factor]:
        """The kinds that still count at `now`."""
        if now - self.auth_time > BASE_MAX_AGE:
            return frozenset()
        return frozenset(_BASE_KINDS[name] for name in self.amr if name in _BASE_KINDS)


def best_base(now: float) -> BaseFactors:
    """A base login that lends whatever any sign-in could."""
    return BaseFactors(amr=tuple(_BASE_KINDS), auth_time=int(now))


def strength(proof: Proof) -> tuple[bool, int]:
    """What methods are put in order by, the strongest first, by the proof that each can give."""
    return not proof.phishing_resistant, -len(proof.factors)


def offered_with(proofs: Sequence[Proof]) -> tuple[str, ...]:
    """The acr values that a deployment can reach whose methods give these proofs, beside the best of base logins."""
    base = best_base(0)
    return tuple(acr for acr in OFFERED if reaches(acr, proofs, base, 0))


def reaches(acr: str, proofs: Sequence[Proof], base: BaseFactors, now: float) -> bool:
    """Whether a ceremony's proofs, with the base login's help where that is allowed, reach `acr`."""
    if not proofs:
        return False
    if acr == PHR:
        return any(proof.phishing_resistant for proof in proofs)
    if acr == MFA:
        own = _own_kinds(proofs)
        return bool(own) and len(own | base.kinds(now)) >= 2
    return False


def reached(acr_values: Iterable[str], proofs: Sequence[Proof], base: BaseFactors, now: float) -> str | None:
    """The first requested value that is reached; without a request the strongest one."""
    wanted = tuple(acr_values) or OFFERED
    return next((acr for acr in wanted if reaches(acr, proofs, base, now)), None)


def complete(acr_values: Sequence[str], proofs: Sequence[Proof], base: BaseFactors, now: float) -> bool:
    """Whether the ceremony is done: a requested value is reached, or, without a request, anything was proved."""
    return bool(proofs) if not acr_values else reached(acr_values, proofs, base, now) is not None


def token_amr(proofs: Sequence[Proof], base: BaseFactors, acr: str | None, now: float) -> list[str]:
    """The `amr` of the token: the ceremony's own values and those of the base login that counted."""
    values = dict.fromkeys(value for proof in proofs for value in proof.amr)
    own = _own_kinds(proofs)
    if acr == MFA and len(own) < 2:
        counted = base.kinds(now) - own
        values |= dict.fromkeys(name for name in base.amr if _BASE_KINDS.get(name) in counted)
    if acr is not None:  # each of our names stands for two factors at least
        values["mfa"] = None
    return list(values)


def _own_kinds(proofs: Sequence[Proof]) -> frozenset[Factor]:
    return frozenset[Factor]().union(*(proof.factors for proof in proofs))
