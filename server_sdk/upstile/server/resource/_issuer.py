"""What a deployment knows about one issuer: which acr satisfies which, what can be had from it, and by which name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from upstile.protocol import Requirement
from upstile.server._errors import ConfigurationError

_NOTHING = frozenset[str]()
_REMEMBERED = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class Issuer:
    """An authorization server whose tokens are accepted.

    Args:
        identifier: its issuer identifier (RFC 8414 §2).
        satisfies: which further acr values a value stands for, e.g. `{"phr": {"mfa"}}`. There is no order between
            names but this table, and it holds for this issuer only.
        asks: by which name of its own the issuer is asked for a value, e.g. `{"mfa": "urn:okta:loa:2fa:any"}`; a value
            that is not there is asked for by its own name.
        acr_values_supported: what it offers; `None` where that is not known.
        marks_single_use: it puts `single_use` into tokens for one call, as the embedded server does.
        stepped_up_by: the server that steps its users up, where that is another one: the embedded one.
        tells_resets: it puts `settled_at` into tokens after a reset, as the embedded server does with `cooling_off=`.

    Raises:
        ConfigurationError: a name that is asked for would not satisfy what it is asked for.
    """

    identifier: str
    satisfies: Mapping[str, Iterable[str]] = field(default_factory=dict[str, Iterable[str]])
    asks: Mapping[str, str] = field(default_factory=dict[str, str])
    acr_values_supported: tuple[str, ...] | None = None
    marks_single_use: bool = False
    stepped_up_by: "Issuer | None" = None
    tells_resets: bool = False
    _closed: Mapping[str, frozenset[str]] = field(init=False, repr=False)
    _known: dict[str | tuple[str, ...] | None, frozenset[str]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        direct = {name: _texts(name, others) for name, others in self.satisfies.items()}
        object.__setattr__(self, "_closed", {name: _closure(name, direct) for name in direct})
        object.__setattr__(self, "_known", {})
        for name, asked in self.asks.items():
            if name not in self.satisfied_by(asked):
                raise ConfigurationError(
                    f"asks={{{name!r}: {asked!r}}}: satisfies must say that {asked!r} stands for {name!r}"
                )

    def satisfied_by(self, acr: str | tuple[str, ...] | None) -> frozenset[str]:
        """All names that a token with one or several acr values satisfies."""
        found = self._known.get(acr)
        if found is None:
            values = (acr,) if isinstance(acr, str) else acr or ()
            found = frozenset(values).union(*(self._closed.get(value, _NOTHING) for value in values))
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[acr] = found
        return found

    def can_satisfy(self, required: Iterable[str]) -> bool:
        """Whether any value that can be had has one of the `required` values."""
        if self.acr_values_supported is None or (self.stepped_up_by and self.stepped_up_by.can_satisfy(required)):
            return True
        return not self.satisfied_by(self.acr_values_supported).isdisjoint(required)

    def in_its_words(self, requirement: Requirement) -> Requirement:
        """The requirement as this issuer is asked for it: the client sends the names of a challenge on as they are."""
        if not self.asks or not requirement.acr or self.stepped_up_by is not None:
            return requirement
        return replace(requirement, acr=tuple(dict.fromkeys(self.asks.get(name, name) for name in requirement.acr)))

    def offering(self, acr_values_supported: Sequence[str] | None) -> "Issuer":
        """The same issuer, now that it is known what it offers.

        Raises:
            ConfigurationError: a name that is asked for is not offered.
        """
        if acr_values_supported is None:
            return self
        offered = tuple(acr_values_supported)
        for name, asked in self.asks.items():
            if asked not in offered:
                raise ConfigurationError(
                    f"asks={{{name!r}: {asked!r}}}: {self.identifier} offers {', '.join(offered) or 'nothing'}"
                )
        return replace(self, acr_values_supported=offered)


def _texts(name: str, others: Iterable[str]) -> frozenset[str]:
    if isinstance(others, str):
        raise ConfigurationError(f"satisfies={{{name!r}: {others!r}}}: write {{{others!r}}}, a set of names")
    return frozenset(others)


def _closure(name: str, direct: Mapping[str, frozenset[str]]) -> frozenset[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for other in direct.get(waiting.pop(), frozenset[str]()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return frozenset(found)
