"""What a deployment knows about one issuer: which acr satisfies which, and what can be had from it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_NOTHING = frozenset[str]()


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """An authorization server whose tokens are accepted.

    Args:
        identifier: its issuer identifier (RFC 8414 §2).
        satisfies: which further acr values a value stands for, e.g. `{"phr": {"mfa"}}`. There is no order between
            names but this table, and it holds for this issuer only.
        acr_values_supported: what it offers; `None` where that is not known.
        marks_single_use: it puts `single_use` into tokens for one call, as the embedded server does.
    """

    identifier: str
    satisfies: Mapping[str, Iterable[str]] = field(default_factory=dict[str, Iterable[str]])
    acr_values_supported: tuple[str, ...] | None = None
    marks_single_use: bool = False
    _closed: Mapping[str, frozenset[str]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        direct = {name: frozenset(others) for name, others in self.satisfies.items()}
        object.__setattr__(self, "_closed", {name: _closure(name, direct) for name in direct})

    def satisfied_by(self, acr: str | None, required: Iterable[str]) -> bool:
        """Whether a token with `acr` has one of the `required` values."""
        if acr is None:
            return False
        stands_for = self._closed.get(acr, _NOTHING)
        for value in required:  # noqa: SIM110 - on the hot path, where a generator costs as much as the rest
            if value == acr or value in stands_for:
                return True
        return False

    def can_satisfy(self, required: Iterable[str]) -> bool:
        """Whether any value that this issuer offers has one of the `required` values."""
        wanted = tuple(required)
        if self.acr_values_supported is None:
            return True
        return any(self.satisfied_by(offered, wanted) for offered in self.acr_values_supported)


def _closure(name: str, direct: Mapping[str, frozenset[str]]) -> frozenset[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for other in direct.get(waiting.pop(), frozenset[str]()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return frozenset(found)
