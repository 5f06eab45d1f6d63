"""What the person answers the steps of one ceremony with: in which way, and what happens where one does not work."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from upstile.client._errors import CeremonyFailed, NoMethodAvailable
from upstile.client.methods import Looks, Method, MethodUnavailable, Moment, none_left, way_of, why_not
from upstile.client.prompts import AnotherWay, Occasion, Way, codes_left, not_sent, sent
from upstile.client.words import said, spoken
from upstile.protocol import Offer, Step

_CODE_LIFE = 600
"""Seconds for which a code that was sent is good (upstile profile §7)."""
_MOST_DESTINATIONS = 8
"""Offers of one method that a person can choose from; further ones are ignored."""
_MOST_CHANGES = 24
"""Times that the way is changed in one step."""
_MOST_REFUSED = 5
"""Times that a server may say, in one ceremony, that it sends no more for now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Open:
    """A way that a step offers, and what it takes to go it."""

    way: Way
    method: Method
    offer: Offer


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sent:
    """When a code was sent, and when the next one may be, by the monotonic clock; and by which channel."""

    channel: str | None
    at: float
    again_at: float


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
        self._going: _Open | None = None
        self._last: str | None = None
        self._sending = False
        self._refused = 0
        self._sent: dict[str, _Sent] = {}
        self._failed: set[str] = set()
        self._unusable: dict[str, MethodUnavailable] = {}
        self._alone = False
        self._end = 0.0

    def hear(self, step: Step) -> None:
        """Tell the person what became of the last answer."""
        prompter, going, now = self._moment.prompter, self._going, self._monotonic()
        self._end, self._going = now + step.expires_in, None
        if step.recovery_codes_left is not None:
            codes_left(prompter, step.recovery_codes_left)
        if step.result == "rejected":
            self._moment.last_code.forget()
            prompter.rejected(step.attempts_left)
            self._going = going
        elif going is not None and step.result == "sent":
            self._note_sent(going, step.resend_after or 0)
            self._going = going
            self._tell_sent(going)
        elif going is not None and step.result == "not_sent":
            not_sent(prompter, going.way)
            self._not_sent(going)

    def to(self, step: Step, occasion: Occasion) -> Mapping[str, str]:
        """The members of the answer to a step.

        Raises:
            NoMethodAvailable: there is no way left.
            CeremonyFailed: one of the offers must not be answered, so none is; or the step is over.
            StepUpCancelled: the person said no.
        """
        offered = _offered(step, self._methods)
        for _ in range(_MOST_CHANGES):
            usable = self._usable(step, offered)
            if self._monotonic() >= self._end:
                raise CeremonyFailed(**said("too-late"))
            going = self._same(usable) or self._choose(usable, occasion)
            try:
                return self._answer(going)
            except MethodUnavailable as error:
                self._unusable[going.way.id] = error
            except AnotherWay:
                self._going, self._last = None, going.way.id
        raise NoMethodAvailable(**said("no-other-way"))

    def goes_on_after(self, refusal: CeremonyFailed) -> bool:
        """Whether the step is still there after its answer was refused: only what was to send a code was (§3)."""
        self._refused += 1
        going = self._going
        if going is None or not self._sending or refusal.error != "slow_down" or self._refused > _MOST_REFUSED:
            return False
        before = self._sent.get(going.way.id)
        if before is None:
            self._unusable[going.way.id] = MethodUnavailable(**said("sent-too-often"))
            self._going = None
        else:
            self._sent[going.way.id] = replace(before, again_at=self._monotonic() + (refusal.retry_after or _CODE_LIFE))
            self._tell_sent(going)
        return True

    def _answer(self, going: _Open) -> Mapping[str, str]:
        before = self._sent.get(going.way.id)
        is_there = before is not None and self._monotonic() - before.at < _CODE_LIFE
        members = going.method.answer(going.offer, replace(self._moment, sent=is_there))
        self._sending = set(members) == {"authn_id"}
        return {"authn_method": going.method.name, **members}

    def _note_sent(self, going: _Open, resend_after: int) -> None:
        """A code that was sent makes an earlier one of its channel void (upstile profile §7)."""
        now, channel = self._monotonic(), going.offer.channel
        others = {name: known for name, known in self._sent.items() if known.channel != channel}
        self._sent = {**others, going.way.id: _Sent(channel=channel, at=now, again_at=now + resend_after)}

    def _not_sent(self, going: _Open) -> None:
        """Once more is for the person to decide, after all other ways; a third time is not tried."""
        self._last = going.way.id
        if going.way.id in self._failed or self._alone:
            self._unusable[going.way.id] = MethodUnavailable(**said("code-not-sent"))
        self._failed.add(going.way.id)

    def _tell_sent(self, going: _Open) -> None:
        known = self._sent[going.way.id]
        again_in = max(0.0, known.again_at - self._monotonic())
        sent(self._moment.prompter, going.way, again_in if again_in < _CODE_LIFE else None)

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

    def _same(self, usable: Sequence[_Open]) -> _Open | None:
        """The way that is gone already, with the offer of this step."""
        chosen = None if self._going is None else self._going.way.id
        self._going = next((each for each in usable if each.way.id == chosen), None)
        return self._going

    def _choose(self, usable: Sequence[_Open], occasion: Occasion) -> _Open:
        in_order = sorted(usable, key=lambda each: each.way.id == self._last)
        ways = [each.way for each in in_order]
        answer = self._moment.prompter.begin(occasion, ways[0], ways[1:], self._moment.cancel)
        chosen = answer.id if isinstance(answer, Way) else answer
        self._going = going = next((each for each in usable if each.way.id == chosen), in_order[0])
        self._alone = len(usable) == 1
        if going.way.id in self._sent:
            self._tell_sent(going)
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
    found: list[_Open] = []
    for method in methods:
        offers = (offer for offer in step.authn_methods if offer.method == method.name)
        ways = ((way_of(method, offer), offer) for offer in islice(offers, _MOST_DESTINATIONS))
        found.extend(_Open(way=way, method=method, offer=offer) for way, offer in ways)
    return list({each.way.id: each for each in reversed(found)}.values())[::-1]
