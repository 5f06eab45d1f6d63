"""What a call asks of the person behind it: the one immutable object that both halves speak about."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

AUTHENTICATORS_SCOPE = "authenticators"
"""The scope that lets its holder change authenticators (upstile profile §8)."""
# RFC 6749 appendix A.4: scope-token; acr values are put into a space-separated list as well.
_NO_NUMBER_OF_JSON = 2**53  # RFC 7493 §2.2
_name = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")


@dataclass(frozen=True, slots=True, init=False)
class Requirement:
    """How strong and how fresh an authentication must be, and which scope the token must have.

    Args:
        acr: one authentication context class, or several in order of preference, of which one is required.
        max_age: the highest age of the authentication in seconds; `None` sets no limit, `0` asks for an
            authentication for this very call (OpenID Connect Core §3.1.2.1).
        scope: the scopes that the token must carry, as a sequence or a space-separated text.
        reason: what the person is told, such as "Confirm the transfer of 50 EUR to ACME".
        settled: whether the person's authenticators must not have been reset lately. No challenge carries it: only time
            helps.

    Raises:
        TypeError, ValueError: a value that no challenge could carry.
    """

    acr: tuple[str, ...]
    max_age: int | None
    scope: tuple[str, ...]
    reason: str | None
    settled: bool

    def __init__(
        self,
        *,
        acr: str | Iterable[str] = (),
        max_age: int | None = None,
        scope: str | Iterable[str] = (),
        reason: str | None = None,
        settled: bool = False,
    ) -> None:
        if reason is not None and not isinstance(reason, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"reason must be a text or None, not {reason!r}")
        if not isinstance(settled, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"settled must be True or False, not {settled!r}")
        object.__setattr__(self, "acr", _names("acr", (acr,) if isinstance(acr, str) else acr))
        object.__setattr__(self, "max_age", _seconds(max_age))
        object.__setattr__(self, "scope", _names("scope", scope.split() if isinstance(scope, str) else scope))
        object.__setattr__(self, "reason", reason)
        object.__setattr__(self, "settled", settled)

    @property
    def for_this_call(self) -> bool:
        """Whether an authentication is asked for this one call, so that its token serves once (`max_age=0`)."""
        return self.max_age == 0

    @property
    def asks(self) -> tuple[tuple[str, ...], int | None, tuple[str, ...], bool]:
        """What is asked, without the words that it is asked in."""
        return self.acr, self.max_age, self.scope, self.settled

    @property
    def authenticates(self) -> bool:
        """Whether anything is asked of the person's authentication, beyond a valid token with a scope."""
        return bool(self.acr) or self.max_age is not None

    def __str__(self) -> str:
        """What is asked, in a few words: `mfa or phr of the last 300 seconds`."""
        strength = " or ".join(self.acr) or "any authentication"
        if self.max_age is None:
            return strength
        if self.for_this_call:
            return f"{strength} for this very call"
        return f"{strength} of the last {'second' if self.max_age == 1 else f'{self.max_age} seconds'}"


def _names(member: str, values: Iterable[str]) -> tuple[str, ...]:
    try:
        names = tuple(dict.fromkeys(values))
    except TypeError:
        raise TypeError(f"{member} must be a text or a sequence of texts, not {values!r}") from None
    for name in names:
        if not isinstance(name, str) or not _name.fullmatch(name):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"{member}: {name!r} is empty or has characters that a challenge cannot carry")
    return names


def _seconds(max_age: int | None) -> int | None:
    if max_age is None:
        return None
    if type(max_age) is not int:
        raise TypeError(f"max_age must be a whole number of seconds or None, not {max_age!r}")
    if max_age < 0:
        raise ValueError("max_age must not be negative")
    if max_age >= _NO_NUMBER_OF_JSON:
        raise ValueError("max_age must be less than 2**53, or no problem document could carry it")
    return max_age
