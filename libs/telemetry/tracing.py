"""OpenTelemetry: the spans of a process, and how a trace goes on in the headers of records (W3C Trace Context)."""

import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Span as RecordedSpan
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from structlog.typing import EventDict, WrappedLogger

CLOSE_SECONDS = 3
"""What is not sent by then is given up: a collector that hangs must not hold up the end of a process."""

TRACE_HEADERS = frozenset({"traceparent", "tracestate"})

_W3C = TraceContextTextMapPropagator()
_OF_A_PARTICIPANT = re.compile(r"/participants/.+", re.DOTALL)


@contextmanager
def tracing(service: str) -> Iterator[TracerProvider]:
    """Lend what makes spans and sends them off, set by OpenTelemetry's variables; `service` unless they name it."""
    provider = TracerProvider(resource=_resource(service), shutdown_on_exit=False)
    provider.add_span_processor(_HideAddresses())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield provider
    finally:
        closing = threading.Thread(target=provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)


def context_of(headers: Iterable[tuple[str, bytes | None]]) -> Context | None:
    """The trace that a record's headers carry; of several with one name the last. None when there is no valid one."""
    carrier = {name: value.decode("ascii", "replace") for name, value in headers if name in TRACE_HEADERS and value}
    if not carrier:
        return None
    context = _W3C.extract(carrier)
    return context if trace.get_current_span(context).get_span_context().is_valid else None


def trace_headers(span: Span) -> tuple[tuple[str, bytes], ...]:
    """The headers that carry the span's trace on."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(span))
    return tuple((name, text.encode()) for name, text in carrier.items())


@contextmanager
def ended_together(spans: Sequence[Span]) -> Iterator[None]:
    """End the spans with what is done inside; read at the end, so that more may be added meanwhile.

    Of an error they tell the type alone: its message may quote what strangers have sent.
    """
    try:
        yield
    except BaseException as error:
        for span in spans:
            span.set_attribute("error.type", type(error).__qualname__)
            span.set_status(StatusCode.ERROR)
        raise
    finally:
        for span in spans:
            span.end()


def add_trace_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Say in a log line which span it was written in."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
        event["span_id"] = trace.format_span_id(context.span_id)
    return event


class _HideAddresses(SpanProcessor):
    """Paths name participants, and queries hold what callers put there; the framework notes both. The route remains."""

    def on_start(self, span: RecordedSpan, parent_context: Context | None = None) -> None:  # noqa: ARG002 - the SDK's
        noted = span.attributes or {}
        if "url.query" in noted:
            span.set_attribute("url.query", "REDACTED")
        path = noted.get("url.path")
        if isinstance(path, str) and _OF_A_PARTICIPANT.search(path):
            span.set_attribute("url.path", _OF_A_PARTICIPANT.sub("/participants/REDACTED", path))


def _resource(service: str) -> Resource:
    given = OTELResourceDetector().detect().attributes
    return Resource.create(
        {
            SERVICE_NAME: given.get(SERVICE_NAME) or service,
            SERVICE_VERSION: given.get(SERVICE_VERSION) or version("badges"),
        }
    )
