"""When traces are wanted, what it costs when they are not, and which headers carry one."""

import subprocess
import sys
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from telemetry.tracing import _HideAddresses, add_trace_ids, context_of, ended_together, trace_headers
from telemetry.tracing_wish import TracingSettingError, is_tracing_wanted

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
TRACEPARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNTRACED = """
import sys
from api.__main__ import _instruments
from api.app import create_app
from award_worker.__main__ import _adapters
_instruments(), _adapters(None)
loaded = [name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter", "google"))]
assert not loaded, loaded
"""

headers = st.lists(st.tuples(st.sampled_from(["traceparent", "tracestate", "other"]), st.none() | st.binary()))


@pytest.mark.parametrize(
    ("environment", "is_wanted"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": " OTLP "}, True),
        ({"OTEL_TRACES_EXPORTER": ""}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, False),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
        ({"OTEL_SERVICE_NAME": "badges", "OTEL_TRACES_SAMPLER": "always_on"}, False),
    ],
)
def test_traces_are_wanted_when_they_have_somewhere_to_go(environment: Mapping[str, str], *, is_wanted: bool) -> None:
    assert is_tracing_wanted(environment) is is_wanted


@pytest.mark.parametrize(
    "environment",
    [{"OTEL_TRACES_EXPORTER": "zipkin"}, ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}],
)
def test_what_cannot_be_served_is_refused(environment: Mapping[str, str]) -> None:
    with pytest.raises(TracingSettingError, match="must be"):
        is_tracing_wanted(environment)


def test_without_the_extra_the_refusal_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    with pytest.raises(TracingSettingError, match=r"badges\[tracing\]"):
        is_tracing_wanted(ENDPOINT)


@pytest.mark.parametrize("module", ["api", "award_worker"])
def test_a_service_says_what_is_wrong_with_the_wish_and_ends(module: str) -> None:
    environment = {"BADGES_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "OTEL_TRACES_EXPORTER": "zipkin"}
    ran = subprocess.run([sys.executable, "-m", module], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert (
        ran.stderr == f"{module}: the settings are not right:\nOTEL_TRACES_EXPORTER must be otlp or none, not zipkin\n"
    )


def test_untraced_services_load_nothing_of_the_sdk() -> None:
    subprocess.run([sys.executable, "-c", UNTRACED], env={}, check=True)


def test_headers_carry_a_trace_there_and_back() -> None:
    context = context_of([("traceparent", TRACEPARENT), ("tracestate", b"vendor=1")])
    assert context is not None
    carried = dict(trace_headers(trace.get_current_span(context)))
    assert carried == {"traceparent": TRACEPARENT, "tracestate": b"vendor=1"}


def test_of_several_headers_the_last_one_counts() -> None:
    context = context_of([("traceparent", TRACEPARENT.replace(b"4bf9", b"0000")), ("traceparent", TRACEPARENT)])
    assert context is not None
    assert trace_headers(trace.get_current_span(context)) == (("traceparent", TRACEPARENT),)


@given(headers)
def test_whatever_strangers_write_into_headers_is_read_or_ignored(written: list[tuple[str, bytes | None]]) -> None:
    context = context_of(written)
    assert context is None or trace.get_current_span(context).get_span_context().is_valid


@given(st.binary(), st.binary())
def test_a_state_that_cannot_be_read_leaves_the_trace_alone(before: bytes, after: bytes) -> None:
    assert context_of([("traceparent", TRACEPARENT), ("tracestate", before + b"," + after)]) is not None


def test_a_failure_is_told_by_its_type_alone() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    span = provider.get_tracer("tests").start_span("work")
    with pytest.raises(ValueError, match="quoted"), ended_together([span]):
        raise ValueError("quoted")
    (finished,) = exporter.get_finished_spans()
    assert finished.attributes == {"error.type": "ValueError"}
    assert (finished.status.status_code, finished.status.description, finished.events) == (StatusCode.ERROR, None, ())


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/api/v1/gamify/participants/user_123/badges", "/api/v1/gamify/participants/REDACTED"),
        ("/api/v1/gamify/participants/a/b\nc", "/api/v1/gamify/participants/REDACTED"),
        ("/api/v1/gamify/badges/award", "/api/v1/gamify/badges/award"),
    ],
)
def test_paths_of_participants_and_queries_are_hidden_before_anybody_sees_them(path: str, shown: str) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(_HideAddresses())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.get_tracer("tests").start_span("GET", attributes={"url.path": path, "url.query": "key=x"}).end()
    (finished,) = exporter.get_finished_spans()
    assert finished.attributes == {"url.path": shown, "url.query": "REDACTED"}


def test_log_lines_name_the_span_they_were_written_in_if_there_is_one() -> None:
    assert add_trace_ids(None, "info", {"event": "x"}) == {"event": "x"}
    context = context_of([("traceparent", TRACEPARENT)])
    with trace.use_span(trace.get_current_span(context)):
        line = add_trace_ids(None, "info", {"event": "x"})
    assert (line["trace_id"], line["span_id"]) == ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
