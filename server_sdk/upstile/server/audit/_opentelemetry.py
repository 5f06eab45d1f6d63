"""What is told to OpenTelemetry; imported where `opentelemetry-api` is installed."""

from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

from opentelemetry import metrics, trace

from upstile.server.audit._event import SecurityEvent

_SCOPE = "upstile.server"
_HUMAN_SECONDS = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 240.0, 300.0)


class Instruments:
    """The instruments and the tracer of the providers that the application has set."""

    def __init__(self) -> None:
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

    def count(self, event: SecurityEvent, code: str) -> None:
        """Count an event, and mark the span under way with it."""
        attributes: dict[str, str] = {"upstile.kind": event.kind}
        if event.method is not None:
            attributes["upstile.method"] = event.method
        if event.route is not None:
            attributes["upstile.route"] = event.route
        if code:
            attributes["upstile.error"] = code
        self._events.add(1, attributes)
        span = trace.get_current_span() if self._traced else trace.INVALID_SPAN
        if span.is_recording():
            ids = {"upstile.ceremony": event.ceremony, "upstile.instance": event.instance}
            known = {name: value for name, value in ids.items() if value is not None}
            span.add_event(f"upstile {event.kind}", {**attributes, **known})

    def lost(self, events: int) -> None:
        """Count events that the table does not have."""
        self._unlogged.add(events)

    def human_time(self, method: str, seconds: float) -> None:
        """Note how long a person took."""
        self._human.record(seconds, {"upstile.method": method})

    def span(self, name: str) -> AbstractContextManager[Any]:
        """A span around some work, where the application has set a provider."""
        return self._tracer.start_as_current_span(name) if self._traced else nullcontext()

    @cached_property
    def _traced(self) -> bool:
        """Whether there was a provider when the first request came: without one, a span would be work for nobody."""
        return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
