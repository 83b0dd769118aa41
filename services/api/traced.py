"""The gateway, traced: a span for each call, for what it publishes, and for each time it goes to Postgres."""

from collections.abc import AsyncIterator, Iterator, MutableMapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata
from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Tracer

from api.instruments import Instruments
from storage.database import Connection, Database, Rows
from telemetry.tracing import add_trace_ids, ended_together, trace_headers, tracing

SERVICE = "badges-api"
_UNTRACED_PATHS = frozenset({"/livez", "/readyz", "/metrics"})


@contextmanager
def traced() -> Iterator[Instruments]:
    """Lend instruments that trace; what they have noted is sent off in the end."""
    with tracing(SERVICE) as provider:
        tracer = provider.get_tracer("badges.api")
        telemetry: TelemetryConfig = {
            "tracing": True,
            "tracer_provider": provider,
            "operation_spans": False,
            "metrics": False,
            "logs": False,  # they would hold messages of errors, which quote callers
            "auto_configure": False,
            "exclude": _is_a_probe,
        }
        yield Instruments(
            telemetry=telemetry,
            around_producer=partial(TracedProducer, tracer=tracer),
            create_database=partial(TracedDatabase, tracer=tracer),
            log_processors=(add_trace_ids,),
        )


class TracedProducer:
    """A producer whose records carry on the trace of the call under way."""

    def __init__(self, producer: AIOKafkaProducer, *, tracer: Tracer) -> None:
        self._producer = producer
        self._tracer = tracer

    async def send_and_wait(
        self, topic: str, *, value: bytes, key: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> RecordMetadata:
        """Publish, with a span from here to the acknowledgement."""
        attributes = {
            "messaging.system": "kafka",
            "messaging.operation.type": "send",
            "messaging.operation.name": "send",
            "messaging.destination.name": topic,
        }
        span = self._tracer.start_span(f"send {topic}", kind=SpanKind.PRODUCER, attributes=attributes)
        with ended_together([span]):
            sent = await self._producer.send_and_wait(
                topic, value=value, key=key, headers=[*headers, *trace_headers(span)]
            )
            span.set_attribute("messaging.destination.partition.id", str(sent.partition))
            span.set_attribute("messaging.kafka.offset", sent.offset)
            return sent


class TracedDatabase(Database):
    """A database whose uses are spans of the call under way; what no call asked for has none."""

    def __init__(self, database_url: str, *, tracer: Tracer, **options: Any) -> None:  # noqa: ANN401 - as Database's
        super().__init__(database_url, **options)
        self._tracer = tracer

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """As `Database.reading`."""
        with self._span("read"):
            async with super().reading() as connection:
                yield connection

    @asynccontextmanager
    async def querying(self) -> AsyncIterator[Connection]:
        """As `Database.querying`."""
        with self._span("read"):
            async with super().querying() as connection:
                yield connection

    async def fetch(self, query: str, *parameters: object) -> Rows:
        """As `Database.fetch`."""
        with self._span("read"):
            return await super().fetch(query, *parameters)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """As `Database.transaction`."""
        with self._span("transaction"):
            async with super().transaction() as connection:
                yield connection

    @contextmanager
    def _span(self, operation: str) -> Iterator[None]:
        if not trace.get_current_span().is_recording():
            yield
            return
        attributes = {"db.system.name": "postgresql", "db.operation.name": operation}
        span = self._tracer.start_span(f"{operation} postgresql", kind=SpanKind.CLIENT, attributes=attributes)
        with ended_together([span]):
            yield


def _is_a_probe(scope: MutableMapping[str, Any]) -> bool:
    return scope["path"] in _UNTRACED_PATHS
