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
        proved: the same of the last one that a refused proof has proved right; 0 if none has.
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

    def now(self, url: str) -> float:
        """The time for a proof to this URL, in epoch seconds."""
        here = self._clock()
        heard = self._heard.get(origin_of(url)) if self._heard else None
        if heard is None:
            return here
        if abs((here - heard.here) - (self._monotonic() - heard.tick)) > FEW:  # it was set, or the machine slept
            self._heard.pop(origin_of(url), None)
            return here
        return here + heard.ahead

    def hear(self, response: Incoming, *, refused: bool) -> None:
        """Take over what a response says of the time, if it can be believed (RFC 9110 §6.6.1).

        Args:
            response: of the server itself, over TLS or from this machine; a cache's `Date` is that of another response.
            refused: whether it refuses the proof. Where it does not, a `Date` that is far from the time of that proof
                is not the time of whoever judges, such as behind a gateway with a clock of its own.
        """
        origin, there = origin_of(response.url), server_time(response.header("date"))
        if there is None or response.header("age") is not None or not is_private(response.url):
            return
        here, known = self._clock(), self._heard.get(origin)
        ahead, proved = there - here, 0.0 if known is None else known.proved
        if refused and known is not None and not proved:  # without it the proof would have been in time
            self.begin_anew(response.url)
            return
        if abs(ahead) > MOST or (not refused and (abs(ahead - proved) > TAKEN or origin in self._wary)):
            return
        if abs(ahead) <= FEW:
            self._heard.pop(origin, None)
        else:
            self._heard[origin] = _Heard(ahead, ahead if refused else proved, here, self._monotonic())

    def begin_anew(self, url: str) -> bool:
        """Forget what a server said: a proof by it was refused. From now on only a refusal corrects anything.

        Returns:
            Whether it had said anything.
        """
        self._wary.add(origin_of(url))
        return self._heard.pop(origin_of(url), None) is not None
