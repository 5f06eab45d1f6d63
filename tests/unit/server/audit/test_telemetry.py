"""Metrics and spans, where OpenTelemetry is installed; and that nothing misses it where it is not."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from support.own_app import own_app

ROOT = Path(__file__).parents[4]
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemoryMetricReader]:
    """The metrics of what is made in a test."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr(metrics, "get_meter", provider.get_meter)
    yield reader
    provider.shutdown()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """The spans of what is made in a test."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    return exporter


def points(reader: InMemoryMetricReader, name: str) -> list[tuple[dict[str, Any], object]]:
    data = reader.get_metrics_data()
    assert data is not None
    found = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics if m.name == name]
    return [(dict(point.attributes or {}), point) for metric in found for point in metric.data.data_points]


async def test_a_step_up_is_counted_as_a_funnel_and_the_persons_time_is_measured(
    tmp_path: Path, reader: InMemoryMetricReader
) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        await app.enroll_totp()
        started = await app.start()
        app.clock.now += 42
        code = (await app.answer(started, otp=app.code())).json()["authorization_code"]
        await app.redeem(started, code)
    counted = {said["upstile.kind"]: getattr(point, "value") for said, point in points(reader, "upstile.events")}  # noqa: B009
    for kind in ("ceremony-started", "ceremony-succeeded", "token-issued"):
        assert counted[kind] == 1
    ((said, point),) = points(reader, "upstile.human.duration")
    assert said == {"upstile.method": "totp"}
    assert getattr(point, "sum") == pytest.approx(42)  # noqa: B009


async def test_nothing_that_a_caller_chooses_becomes_an_attribute(tmp_path: Path, reader: InMemoryMetricReader) -> None:
    async with own_app(tmp_path) as app:
        for number in range(5):
            await app.start(client_id=f"made-up-{number}", instance=f"urn:uuid:{number}", subject_token="x")
    told = [said for said, _ in points(reader, "upstile.events")]
    assert told == [{"upstile.kind": "start-refused", "upstile.error": "invalid_client"}]


async def test_a_request_is_a_span_with_its_events_and_no_secret(tmp_path: Path, spans: InMemorySpanExporter) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        await app.enroll_totp()
        started = await app.start()
    ours = [span for span in spans.get_finished_spans() if span.name.startswith("POST /stepup/")]
    last: ReadableSpan = ours[-1]
    assert last.name == "POST /stepup/challenge"
    assert [event.name for event in last.events] == ["upstile ceremony-started"]
    assert app.token not in str(last.to_json())
    assert started.auth_session not in str(last.to_json())


def test_the_server_works_where_opentelemetry_is_not_installed() -> None:
    program = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from upstile.server.audit._telemetry import Telemetry\n"
        "from upstile.server.audit import SecurityEvent\n"
        "told = Telemetry()\n"
        "told.count(SecurityEvent(kind='start-refused', user=None, at=1.0, reason='invalid_grant'))\n"
        "told.human_time('totp', 1.0); told.lost(1)\n"
        "with told.span('x'): pass\n"
        "print(dict(told.counts))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)  # noqa: S603
    assert (done.stdout.strip(), done.stderr) == ("{('start-refused', 'invalid_grant'): 1}", "")
