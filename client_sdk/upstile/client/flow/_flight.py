"""One ceremony for all who wait for it, across threads, tasks and event loops.

The ceremony runs in a daemon thread of its own, which a forked process does not have: there nothing is under way. Who
waits holds a ticket for its future; when the last ticket is given back, the ceremony is cancelled. No lock is held
while anybody waits for anything but the turn to prompt.
"""

import os
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Event, Lock, Thread
from typing import Any, Generic, TypeVar, cast
from weakref import WeakSet

from upstile.client._errors import StepUpCancelled
from upstile.client.words import said

T = TypeVar("T")

_REMEMBERED = 10.0
"""Seconds for which a failure is the answer to callers that set out before it."""
_POLL = 0.1


class Flight(Generic[T]):
    """One ceremony under way.

    Attributes:
        future: its outcome, the same for all who wait.
        cancel: is set when nobody waits any more.
        closed: whether that is because the client was closed.
        late: what is said when the person's time is up; it depends on where they were sent.
        failed_at: when it failed, by the monotonic clock.
    """

    def __init__(self, turn: Lock) -> None:
        self.future: Future[T] = Future()
        self.future.set_running_or_notify_cancel()  # one caller's cancellation must not cancel it for all
        self.cancel = Event()
        self.closed = False
        self.late = "nobody-answered"
        self.waiters = 0
        self.failed_at: float | None = None
        self._turn = turn
        self._lock = Lock()
        self._has_turn = False

    def take_turn(self) -> None:
        """Wait until no other flight prompts; raises `StepUpCancelled` when nobody waits for this one any more."""
        while not self._turn.acquire(timeout=_POLL):
            if self.cancel.is_set():
                raise self.told(StepUpCancelled(**said("cancelled")))
        self._has_turn = True

    def told(self, error: StepUpCancelled) -> StepUpCancelled:
        """What a cancellation is called: prompters do not know that it was the client that was closed."""
        return StepUpCancelled(**said("client-closed")) if self.closed else error

    def settle(self, error: BaseException | None, outcome: T | None = None) -> None:
        """Give those who wait their outcome, and the next flight its turn; only the first outcome counts.

        A prompter that does not return when it is cancelled keeps its thread, but nobody waits for it.
        """
        with self._lock:
            if self.future.done():
                return
            if self._has_turn:
                self._turn.release()
            if error is not None:
                self.future.set_exception(error)
            else:
                self.future.set_result(cast(T, outcome))


class Ticket(Generic[T]):
    """One caller's share in a flight; give it back, whatever happens."""

    def __init__(self, flights: "Flights[T]", flight: Flight[T]) -> None:
        self._flights = flights
        self._flight = flight

    @property
    def future(self) -> Future[T]:
        """The outcome; do not cancel it, others wait for it too."""
        return self._flight.future

    def give_back(self) -> None:
        """Stop waiting."""
        self._flights.leave(self._flight)


class Flights(Generic[T]):
    """Starts ceremonies, one at a time, and lets callers share them.

    Args:
        monotonic: tells who was under way when a ceremony failed.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.forked()
        _all.add(self)

    def forked(self) -> None:
        """Begin with nothing under way, and with locks that nobody holds."""
        self._lock = Lock()
        self._turn = Lock()  # prompts never overlap: ceremonies for different things wait for each other
        self._under_way: dict[Hashable, Flight[T]] = {}
        self._failed: dict[Hashable, Flight[T]] = {}

    def join(self, key: Hashable | None, since: float, ceremony: Callable[[Flight[T]], T]) -> Ticket[T]:
        """Share the flight for `key`, or start it.

        Args:
            key: what the ceremony is for; `None` where it must not be shared.
            since: when the caller set out. If a flight failed after that, the person has answered this caller, too.
            ceremony: does the work, in the flight's thread; is given the flight, whose event cancels it.
        """
        with self._lock:
            flight = None if key is None else self._under_way.get(key) or self._failed.get(key)
            if flight is None or (flight.failed_at is not None and flight.failed_at < since):
                flight = self._started(key, ceremony)
            flight.waiters += 1
            return Ticket(self, flight)

    def cancel(self) -> None:
        """Cancel all ceremonies that are under way, because the client is closed."""
        with self._lock:
            for flight in self._under_way.values():
                flight.closed = True
                flight.cancel.set()

    def _started(self, key: Hashable | None, ceremony: Callable[[Flight[T]], T]) -> Flight[T]:
        flight = Flight[T](self._turn)
        known = object() if key is None else key
        self._under_way[known] = flight
        arguments = (known, flight, ceremony, key is not None)
        try:
            Thread(target=self._run, args=arguments, name="upstile ceremony", daemon=True).start()
        except BaseException:
            del self._under_way[known]
            raise
        return flight

    def _run(self, key: Hashable, flight: Flight[T], ceremony: Callable[[Flight[T]], T], shared: bool) -> None:
        try:
            flight.take_turn()
            outcome = ceremony(flight)
        except BaseException as error:
            flight.failed_at = self._monotonic()
            self._land(key, flight, shared=shared)
            flight.settle(_carried(error))
        else:
            self._land(key, flight, shared=shared)
            flight.settle(None, outcome)

    def abandon(self, flight: Flight[T], error: BaseException) -> None:
        """End a flight whose thread does not come back: those who wait get `error`, the next caller starts anew."""
        flight.failed_at = self._monotonic()
        with self._lock:
            self._forget(flight)
        flight.settle(error)

    def _land(self, key: Hashable, flight: Flight[T], *, shared: bool) -> None:
        """From now on a new caller starts anew; those who wait, or set out before a failure, get this outcome."""
        now = self._monotonic()
        with self._lock:
            self._failed = {k: f for k, f in self._failed.items() if now - (f.failed_at or now) < _REMEMBERED}
            if self._under_way.get(key) is flight:
                del self._under_way[key]
                if shared and flight.failed_at is not None and flight.waiters > 0:
                    self._failed[key] = flight

    def leave(self, flight: Flight[T]) -> None:
        """One caller less; without any the ceremony is cancelled."""
        with self._lock:
            flight.waiters -= 1
            if flight.waiters == 0:
                flight.cancel.set()
                self._forget(flight)

    def _forget(self, flight: Flight[T]) -> None:
        for key in [key for key, known in self._under_way.items() if known is flight]:
            del self._under_way[key]


_all: "WeakSet[Flights[Any]]" = WeakSet()


def _after_fork() -> None:
    for flights in list(_all):
        flights.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _carried(error: BaseException) -> BaseException:
    """An error as a future can carry it into a coroutine (PEP 479)."""
    if not isinstance(error, StopIteration):
        return error
    stopped = RuntimeError("a prompter or a method raised StopIteration")
    stopped.__cause__ = error
    return stopped
