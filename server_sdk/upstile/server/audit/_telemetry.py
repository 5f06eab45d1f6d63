"""Metrics and spans, where `opentelemetry-api` is installed; without it the counters of this process alone.

Nothing here names a user: what is counted by is the kind, the method, the route's template and error codes, each of
which has few values, whatever a caller sends.
"""

from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from upstile.server.audit._event import SecurityEvent
from upstile.server.audit._kinds import KINDS

try:
    from opentelemetry import metrics, trace
except ModuleNotFoundError:  # it is optional
    _is_there = False
else:
    _is_there = True

_SCOPE = "upstile.server"
_HUMAN_SECONDS = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 240.0, 300.0)


class Telemetry:
    """Counts events, times people, and marks spans.

    Attributes:
        counts: events of this process, by kind and error code.
    """

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        if _is_there:
            meter = metrics.get_meter(_SCOPE)
            self._events = meter.create_counter(
                "upstile.events", unit="{event}", description="Steps, refusals and changes, by kind"
            )
            self._unlogged = meter.create_counter(
                "upstile.audit.unlogged", unit="{event}", description="Events that are missing in the audit table"
            )
            self._human = meter.create_histogram(
                "upstile.human.duration",
                unit="s",
                description="From asking a person to their right answer, by method",
                explicit_bucket_boundaries_advisory=_HUMAN_SECONDS,
            )
            self._tracer = trace.get_tracer(_SCOPE)

    def count(self, event: SecurityEvent) -> None:
        """Count an event, and mark the span under way with it."""
        code = event.reason or "" if KINDS[event.kind].refuses else ""
        self.counts[event.kind, code] += 1
        if not _is_there:
            return
        said = {"kind": event.kind, "method": event.method, "error": code or None, "route": event.route}
        attributes = {f"upstile.{name}": value for name, value in said.items() if value is not None}
        self._events.add(1, attributes)
        span = trace.get_current_span()
        if span.is_recording():
            more = {"upstile.ceremony": event.ceremony, "upstile.instance": event.instance}
            known = {name: value for name, value in more.items() if value is not None}
            span.add_event(f"upstile {event.kind}", {**attributes, **known})

    def lost(self, events: int) -> None:
        """Count events that the table does not have."""
        if _is_there and events:
            self._unlogged.add(events)

    def human_time(self, method: str, seconds: float) -> None:
        """Note how long a person took for a right answer (seconds)."""
        if _is_there:
            self._human.record(max(0.0, seconds), {"upstile.method": method})

    def span(self, name: str) -> AbstractContextManager[Any]:
        """A span around the handling of one request."""
        return self._tracer.start_as_current_span(name) if _is_there else nullcontext()
