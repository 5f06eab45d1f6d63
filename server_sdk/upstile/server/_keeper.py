"""The background thread of a process: it reads what other processes revoked, keeps the stores tidy, and the keys fresh.

No request waits for it, and it holds up no event loop.
"""

import asyncio
import logging
from collections.abc import Callable
from threading import Event, Thread

from upstile.server._errors import StorageUnavailable
from upstile.server.keys._signing import SigningKeys
from upstile.server.storage import Revocations, Storage

PERIOD = 0.5
"""Seconds between two rounds: twice a second what is in SQLite's log is written into the file itself."""

_log = logging.getLogger("upstile.server")


class Keeper:
    """Runs rounds until it is stopped.

    Args:
        storage: whose stores are kept tidy.
        revocations: read in each round.
        signing: refreshed, and rotated by age.
        clock: the time in epoch seconds.
    """

    def __init__(
        self, *, storage: Storage, revocations: Revocations, signing: SigningKeys, clock: Callable[[], float]
    ) -> None:
        self._storage = storage
        self._revocations = revocations
        self._signing = signing
        self._clock = clock
        self._stop = Event()
        self._thread: Thread | None = None
        self._failing: set[str] = set()

    def start(self) -> None:
        """Begin; in a forked process a thread of its own."""
        if self._thread is not None and self._thread.is_alive():
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
            self._do("the log of revocations", self._revocations.look)
            for store in self._storage.stores:
                self._do(type(store).__name__, store.tidy)
            self._do("signing keys", self._look_at_keys)

    def _look_at_keys(self, now: float) -> None:
        if self._signing.due(now):
            asyncio.run(self._signing.tick(now))

    def _do(self, what: str, work: Callable[[float], None]) -> None:
        """One piece of a round. That it fails is told once, and that it works again."""
        try:
            work(self._clock())
        except StorageUnavailable as error:
            if what not in self._failing:
                _log.error("background work on %s fails: %s", what, error)
            self._failing.add(what)
        except Exception:
            _log.exception("background work on %s failed", what)
        else:
            if what in self._failing:
                _log.info("background work on %s goes on", what)
            self._failing.discard(what)
