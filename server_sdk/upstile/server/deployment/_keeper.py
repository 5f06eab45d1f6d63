"""The background thread of a process: it does in rounds what no request should wait for, and holds up no event loop."""

import logging
from collections.abc import Callable, Mapping
from threading import Event, Thread

from upstile.server._errors import IssuerUnavailable, StorageUnavailable

PERIOD = 0.5
"""Seconds between two rounds: twice a second what is in SQLite's log is written into the file itself."""

_log = logging.getLogger("upstile.server")

Chores = Mapping[str, Callable[[float], None]]
"""What a round does, by the name that the log gives it; called with the time in epoch seconds."""


class Keeper:
    """Runs rounds until it is stopped.

    Args:
        chores: what is done in each round.
        clock: the time in epoch seconds.
    """

    def __init__(self, chores: Chores, clock: Callable[[], float]) -> None:
        self._chores = chores
        self._clock = clock
        self._stop = Event()
        self._thread: Thread | None = None
        self._failing: set[str] = set()

    def start(self) -> None:
        """Begin, where there is anything to do; in a forked process a thread of its own."""
        if not self._chores or (self._thread is not None and self._thread.is_alive()):
            return
        self._stop = Event()
        self._thread = Thread(target=self._run, args=(self._stop,), name="upstile keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; the round under way is finished first."""
        self._stop.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join()
        self._thread = None

    def _run(self, stop: Event) -> None:
        while not stop.wait(PERIOD):
            for what, work in self._chores.items():
                self._do(what, work)

    def _do(self, what: str, work: Callable[[float], None]) -> None:
        """One piece of a round. That it fails is told once, and that it works again."""
        try:
            work(self._clock())
        except (StorageUnavailable, IssuerUnavailable) as error:
            if what not in self._failing:
                _log.error("background work on %s fails: %s", what, error)
            self._failing.add(what)
        except Exception:
            _log.exception("background work on %s failed", what)
        else:
            if what in self._failing:
                _log.info("background work on %s goes on", what)
            self._failing.discard(what)
