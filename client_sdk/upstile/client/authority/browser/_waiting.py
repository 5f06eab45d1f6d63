"""Waiting for the person to come back: at the listener, or with the address that their browser ended at."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Thread

from upstile.client._errors import StepUpCancelled
from upstile.client.authority.browser._answer import answer_in, query_in
from upstile.client.prompts import Prompter, pasted
from upstile.client.words import said

_POLL = 0.05
_PATIENCE = 2.0
"""Seconds that a prompter has to take its question away."""

Arrivals = SimpleQueue[str | BaseException]
"""The query of the answer, or why there is none."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """For one answer.

    Attributes:
        arrivals: where it comes.
        state: what tells it from others.
        redirect_uri: where the browser comes back to.
        prompter: asks for a pasted address.
        cancel: is set when nobody waits any more.
    """

    arrivals: Arrivals
    state: str
    redirect_uri: str
    prompter: Prompter
    cancel: Event

    def answer(self, *, pastes: bool) -> Mapping[str, str]:
        """Wait for it.

        Args:
            pastes: whether the person is asked for the address, too.

        Raises:
            StepUpCancelled: the person gave up, or nobody waits any more.
        """
        with self._asking() if pastes else _nothing():
            while not self.cancel.is_set():
                try:
                    arrived = self.arrivals.get(timeout=_POLL)
                except Empty:
                    continue
                if isinstance(arrived, BaseException):
                    raise arrived
                return answer_in(arrived, self.state) or {}
        raise StepUpCancelled(**said("cancelled"))

    @contextmanager
    def _asking(self) -> Generator[None]:
        over = Event()
        thread = Thread(target=self._ask, args=(over,), name="upstile paste", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(_PATIENCE)  # a terminal must be as it was before anything else is written

    def _ask(self, over: Event) -> None:
        try:
            while not over.is_set():
                query = query_in(pasted(self.prompter, over), self.redirect_uri)
                if query is not None and answer_in(query, self.state) is not None:
                    self.arrivals.put(query)
                    return
        except BaseException as error:
            if not over.is_set():
                self.arrivals.put(error)


@contextmanager
def _nothing() -> Generator[None]:
    yield
