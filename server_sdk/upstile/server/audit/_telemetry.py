"""Metrics and spans, where `opentelemetry-api` is installed; without it the counters of this process alone.

Nothing here names a user. What is counted by has few values, whatever a caller sends: kinds, methods, the templates of
routes, error codes.
"""

from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from upstile.server.audit._event import SecurityEvent
from upstile.server.audit._kinds import KINDS

if TYPE_CHECKING:
    from upstile.server.audit._opentelemetry import Instruments


class Telemetry:
    """Counts events, times people, and marks spans.

    Attributes:
        counts: events of this process, by kind and error code.
    """

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._instruments = _instruments()

    def count(self, event: SecurityEvent) -> None:
        """Count an event."""
        code = (event.reason or "") if KINDS[event.kind].refuses else ""
        self.counts[event.kind, code] += 1
        if self._instruments is not None:
            self._instruments.count(event, code)

    def lost(self, events: int) -> None:
        """Count events that the audit table does not have."""
        if self._instruments is not None:
            self._instruments.lost(events)

    def human_time(self, method: str, seconds: float) -> None:
        """Note how long a person took for a right answer (seconds)."""
        if self._instruments is not None:
            self._instruments.human_time(method, max(0.0, seconds))

    def span(self, name: str) -> AbstractContextManager[Any]:
        """A span around the handling of one request."""
        return nullcontext() if self._instruments is None else self._instruments.span(name)


def _instruments() -> "Instruments | None":
    try:
        from upstile.server.audit._opentelemetry import Instruments
    except ModuleNotFoundError:  # it is optional
        return None
    return Instruments()
