"""What the person answers the steps of one ceremony with: in which way, and what happens where one does not work."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from upstile.client._errors import CeremonyFailed, NoMethodAvailable
from upstile.client.methods import Looks, Method, MethodUnavailable, Moment, none_left, way_of, why_not
from upstile.client.prompts import Occasion, Way
from upstile.client.words import said, spoken
from upstile.protocol import Offer, Step


@dataclass(frozen=True, kw_only=True, slots=True)
class _Open:
    """A way that a step offers, and what it takes to go it."""

    way: Way
    method: Method
    offer: Offer


class Answers:
    """Asks the person, step by step; falls back when a way turns out not to work.

    Args:
        methods: what can be done here, in order of preference.
        moment: how to ask.
        monotonic: a clock in seconds that is never set.
    """

    def __init__(self, methods: Sequence[Method], moment: Moment, monotonic: Callable[[], float]) -> None:
        self._methods = methods
        self._moment = moment
        self._monotonic = monotonic
        self._chosen: str | None = None
        self._unusable: dict[str, MethodUnavailable] = {}

    def to(self, step: Step, occasion: Occasion) -> Mapping[str, str]:
        """The members of the answer to a step.

        Raises:
            NoMethodAvailable: there is no way left.
            CeremonyFailed: one of the offers must not be answered, so none is; or the step is over.
            StepUpCancelled: the person said no.
        """
        end = self._monotonic() + step.expires_in
        if step.result == "rejected":
            self._moment.last_code.forget()
            self._moment.prompter.rejected(step.attempts_left)
        else:
            self._chosen = None
        offered = _offered(step, self._methods)
        while True:
            usable = self._usable(step, offered)
            if self._monotonic() >= end:
                raise CeremonyFailed(**said("too-late"))
            going = self._going(usable) or self._choose(usable, occasion)
            try:
                return {"authn_method": going.method.name, **going.method.answer(going.offer, self._moment)}
            except MethodUnavailable as error:
                self._unusable[going.way.id] = error

    def _usable(self, step: Step, offered: Sequence[_Open]) -> list[_Open]:
        """The ways that can be gone, as far as that can be told without the person."""
        usable: list[_Open] = []
        for each in offered:
            if each.way.id in self._unusable:
                continue
            try:
                self._look(each)
            except MethodUnavailable as error:
                self._unusable[each.way.id] = error
            else:
                usable.append(each)
        if usable:
            return usable
        if self._unusable:
            raise none_left(list(self._unusable.values()))
        raise self._nothing_in_common(step)

    def _look(self, each: _Open) -> None:
        reason = why_not(each.method, self._moment.prompter)
        if reason is not None:
            raise reason
        if isinstance(each.method, Looks):
            each.method.look(each.offer, self._moment)

    def _going(self, usable: Sequence[_Open]) -> _Open | None:
        return next((each for each in usable if each.way.id == self._chosen), None)

    def _choose(self, usable: Sequence[_Open], occasion: Occasion) -> _Open:
        ways = [each.way for each in usable]
        answer = self._moment.prompter.begin(occasion, ways[0], ways[1:], self._moment.cancel)
        self._chosen = answer.id if isinstance(answer, Way) else answer
        going = self._going(usable) or usable[0]
        self._chosen = going.way.id
        return going

    def _nothing_in_common(self, step: Step) -> NoMethodAvailable:
        able = [method.name for method in self._methods]
        offered = list(dict.fromkeys(offer.method for offer in step.authn_methods))
        return NoMethodAvailable(
            **said(
                "nothing-in-common",
                offered=" or ".join(map(spoken, offered)) or "nothing",
                able=" or ".join(map(spoken, able)),
                offered_names=", ".join(offered) or "nothing",
                able_names=", ".join(able),
            )
        )


def _offered(step: Step, methods: Sequence[Method]) -> list[_Open]:
    """The ways of a step that a method of ours can go, in our order; of two with one name the first."""
    found: dict[str, _Open] = {}
    for method in methods:
        for offer in step.authn_methods:
            if offer.method == method.name:
                way = way_of(method, offer)
                found.setdefault(way.id, _Open(way=way, method=method, offer=offer))
    return list(found.values())
