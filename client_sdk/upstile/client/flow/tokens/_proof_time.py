"""The time that proofs are made by: that of this machine, corrected by what the server says in `Date`.

A proof is good for a minute (upstile profile §7), and clocks of people's machines are wrong by more than that. Nothing
else goes by this time: not how long a token or a stored sign-in is good.
"""

from collections.abc import Callable
from dataclasses import dataclass

from upstile.client._errors import server_time
from upstile.client._exchange import Incoming, is_private, origin_of

FEW = 5.0
"""Seconds by which two clocks may differ: a `Date` has whole seconds, and takes its time to arrive."""
TAKEN = 50.0
"""Seconds by which a `Date` may differ from the time of a proof that was not refused: servers allow a minute."""
MOST = 900.0
"""Seconds by which the clock of this machine may be wrong; beyond it, the `Date` is."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """What a server said of the time.

    Attributes:
        ahead: how far it is ahead of our clock.
        proved: the same of the last one by which a proof was taken after another was refused; 0 if none was.
        here, tick: what our two clocks showed then.
    """

    ahead: float
    proved: float
    here: float
    tick: float


class ProofTime:
    """For the proofs to one party: what an API says must not change those for the authorization server.

    Args:
        clock: the time in epoch seconds, as this machine has it.
        monotonic: a clock in seconds that is never set; tells when the other one was.
    """

    def __init__(self, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._heard: dict[str, _Heard] = {}
        self._wary: set[str] = set()

    def ahead(self, url: str) -> float:
        """How many seconds the next proof for this URL is ahead of our clock."""
        heard = self._heard.get(origin_of(url)) if self._heard else None
        if heard is None:
            return 0.0
        drift = (self._clock() - heard.here) - (self._monotonic() - heard.tick)
        if abs(drift) > FEW:  # our clock was set, or the machine slept
            self._heard.pop(origin_of(url), None)
            return 0.0
        return heard.ahead

    def at(self, ahead: float) -> float:
        """The time for a proof that is so far ahead of our clock, in epoch seconds."""
        return self._clock() + ahead

    def now(self, url: str) -> float:
        """The time for the next proof for this URL."""
        return self.at(self.ahead(url))

    def hear(self, response: Incoming) -> None:
        """Take over what a response says of the time that has not refused our proof.

        A `Date` that is far from the time of a proof that was taken is not the time of whoever judges, such as behind a
        gateway with a clock of its own.
        """
        origin, ahead = origin_of(response.url), self._said(response)
        known = self._heard.get(origin)
        proved = 0.0 if known is None else known.proved
        if ahead is None or abs(ahead - proved) > TAKEN or origin in self._wary:
            return
        self._keep(origin, ahead, proved)

    def after_refusal(self, response: Incoming, by: float) -> list[float]:
        """How far ahead of our clock other proofs are worth a try, since one that was `by` ahead was refused.

        First what the server's `Date` says, or the same again: the proof may have been used by a transport that sends
        twice. Then our own clock.
        """
        said = self._said(response)
        first = by if said is None or abs(said - by) <= FEW else said
        return [first] if first == 0 else [first, 0.0]

    def proved(self, url: str, ahead: float) -> None:
        """A proof so far ahead was taken, after another one was refused. What served before it is not trusted again."""
        if self.ahead(url) != ahead:
            self._wary.add(origin_of(url))
        self._keep(origin_of(url), ahead, ahead)

    def _keep(self, origin: str, ahead: float, proved: float) -> None:
        if abs(ahead) <= FEW:
            self._heard.pop(origin, None)
        else:
            self._heard[origin] = _Heard(ahead, proved, self._clock(), self._monotonic())

    def _said(self, response: Incoming) -> float | None:
        """How far the server's `Date` is ahead of our clock (RFC 9110 §6.6.1), if it can be believed.

        It must have come over TLS or from this machine; a cache's `Date` is that of another response.
        """
        there = server_time(response.header("date"))
        if there is None or response.header("age") is not None or not is_private(response.url):
            return None
        ahead = there - self._clock()
        return ahead if abs(ahead) <= MOST else None
