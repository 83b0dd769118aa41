"""The worker and its relay, traced: a span for each request whose trace goes on, and for each event it leads to.

A batch has many parents. It has a span of its own, linked with theirs; what the batch does as a whole (its transaction)
is shown in each request's trace. Requests that nobody traces have no spans: an import of millions makes none.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import partial

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Tracer

from award_worker.app import Adapters
from award_worker.brake import Brake
from award_worker.handler import AwardHandler, Decision
from award_worker.relay import Publisher
from domain.awards import Awarded, ReceivedRequest, Rejected
from domain.ports import Announcements, AwardTransaction, Ledger
from domain.times import Clock
from messaging.event_log import EventLog
from messaging.outbox_payload import OutboxMessage
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from storage.ledger import PostgresLedger
from telemetry.tracing import TRACE_HEADERS, add_trace_ids, context_of, ended_together, trace_headers, tracing

SERVICE = "badges-award-worker"
NOTED_TRACES = 10
"""A failed batch names so many of its traces in the log."""

_under_way: ContextVar[Sequence[Span]] = ContextVar("under_way", default=())
"""The spans of the requests whose batch is being decided."""


@contextmanager
def traced(kafka: KafkaSettings) -> Iterator[Adapters]:
    """Lend adapters that trace; what they have noted is sent off in the end."""
    topics = topics_of(kafka)
    with tracing(SERVICE) as provider:
        tracer = provider.get_tracer("badges.award_worker")
        yield Adapters(
            create_ledger=lambda database: TracedLedger(PostgresLedger(database), tracer),
            create_publisher=lambda settings: TracedPublisher(EventLog(settings), tracer, ours=topics.badge_awarded),
            create_handler=partial(TracedHandler, tracer=tracer, group=topics.worker_group),
            log_processors=(add_trace_ids,),
        )


class TracedHandler(AwardHandler):
    """Decides as an `AwardHandler` does; each attempt has spans of its own."""

    def __init__(
        self, *, ledger: Ledger, announcements: Announcements, brake: Brake, clock: Clock, tracer: Tracer, group: str
    ) -> None:
        super().__init__(ledger=ledger, announcements=announcements, brake=brake, clock=clock)
        self._tracer = tracer
        self._group = group

    async def handle(self, batch: Sequence[ReceivedRequest]) -> Sequence[Decision]:
        """As `AwardHandler.handle`; the events of traced requests carry their traces on."""
        parents = [context_of(received.record.headers) for received in batch]
        if not any(parents):
            return await super().handle(batch)
        whole = self._batch_span(batch, [parent for parent in parents if parent is not None])
        spans = [
            None if parent is None else self._request_span(received, parent, whole)
            for received, parent in zip(batch, parents, strict=True)
        ]
        recorded = [span for span in spans if span is not None and span.is_recording()]
        with ended_together([*recorded, whole]), _current(recorded, whole):
            decisions = await super().handle([_carrying(r, span) for r, span in zip(batch, spans, strict=True)])
            for decision, span in zip(decisions, spans, strict=True):
                if span is not None:
                    _tell(decision, span)
        return decisions

    def _batch_span(self, batch: Sequence[ReceivedRequest], parents: Sequence[Context]) -> Span:
        """The span of a batch of several; a request alone needs none, nor do requests that nobody samples."""
        contexts = [trace.get_current_span(parent).get_span_context() for parent in parents]
        links = [Link(context) for context in contexts if context.trace_flags.sampled]
        if len(batch) == 1 or not links:
            return trace.INVALID_SPAN
        topic = batch[0].record.position.topic
        return self._tracer.start_span(
            f"process {topic}",
            context=Context(),
            kind=SpanKind.CONSUMER,
            attributes=self._attributes(topic) | {"messaging.batch.message_count": len(batch)},
            links=links,
        )

    def _request_span(self, received: ReceivedRequest, parent: Context, whole: Span) -> Span:
        caller = trace.get_current_span(parent)
        if not caller.get_span_context().trace_flags.sampled:
            return caller  # nobody keeps the trace: it goes on as it came, at next to no cost
        position = received.record.position
        attributes = self._attributes(position.topic) | {
            "messaging.destination.partition.id": str(position.partition),
            "messaging.kafka.offset": position.offset,
        }
        if received.subject.request_id is not None:
            attributes["messaging.message.id"] = received.subject.request_id
        links = [Link(whole.get_span_context())] if whole.is_recording() else []
        return self._tracer.start_span(
            f"process {position.topic}", context=parent, kind=SpanKind.CONSUMER, attributes=attributes, links=links
        )

    def _attributes(self, topic: str) -> dict[str, str | int]:
        return {
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.operation.name": "process",
            "messaging.destination.name": topic,
            "messaging.consumer.group.name": self._group,
        }


class TracedLedger:
    """A ledger whose transactions are shown in the trace of each request that they decide."""

    def __init__(self, ledger: Ledger, tracer: Tracer) -> None:
        self._ledger = ledger
        self._tracer = tracer

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AwardTransaction]:
        """As `domain.ports.Ledger.transaction`."""
        attributes = {"db.system.name": "postgresql", "db.operation.name": "transaction"}
        spans = [
            self._tracer.start_span(
                "transaction postgresql",
                context=trace.set_span_in_context(parent, Context()),
                kind=SpanKind.CLIENT,
                attributes=attributes,
            )
            for parent in _under_way.get()
        ]
        with ended_together(spans):
            async with self._ledger.transaction() as transaction:
                yield transaction


class TracedPublisher:
    """A publisher of the outbox: each traced message has a span until it is committed, and ours carry that span on.

    A dead letter's headers stay as they came.
    """

    def __init__(self, publisher: Publisher, tracer: Tracer, *, ours: str) -> None:
        """`ours` is the topic whose trace headers are our own."""
        self._publisher = publisher
        self._tracer = tracer
        self._ours = ours
        self.start = publisher.start
        self.read_watermark = publisher.read_watermark
        self.close = publisher.close

    async def publish(self, messages: Iterable[OutboxMessage], *, upto: int) -> None:
        """As `Publisher.publish`."""
        spans: list[Span] = []
        with ended_together(spans):
            await self._publisher.publish((self._traced(message, spans) for message in messages), upto=upto)

    def _traced(self, message: OutboxMessage, spans: list[Span]) -> OutboxMessage:
        parent = context_of(message.headers)
        if parent is None or not trace.get_current_span(parent).get_span_context().trace_flags.sampled:
            return message
        attributes = {
            "messaging.system": "kafka",
            "messaging.operation.type": "send",
            "messaging.operation.name": "send",
            "messaging.destination.name": message.topic,
        }
        span = self._tracer.start_span(
            f"send {message.topic}", context=parent, kind=SpanKind.PRODUCER, attributes=attributes
        )
        if span.is_recording():
            spans.append(span)
        if message.topic != self._ours:
            return message
        others = (header for header in message.headers if header[0] not in TRACE_HEADERS)
        return message.with_headers([*others, *trace_headers(span)])


@contextmanager
def _current(recorded: Sequence[Span], whole: Span) -> Iterator[None]:
    """What is logged names the batch's span, or the only request's."""
    current = whole if whole.is_recording() or not recorded else recorded[0]
    token = _under_way.set(recorded)
    try:
        with trace.use_span(current, record_exception=False, set_status_on_exception=False):
            yield
    except Exception as error:
        # It is logged further out, where no span is current any more.
        traces = (trace.format_trace_id(span.get_span_context().trace_id) for span in recorded[:NOTED_TRACES])
        error.add_note(f"traces: {', '.join(traces) or 'none'}")
        raise
    finally:
        _under_way.reset(token)


def _carrying(received: ReceivedRequest, span: Span | None) -> ReceivedRequest:
    return received if span is None else received._replace(trace=trace_headers(span))


def _tell(decision: Decision, span: Span) -> None:
    """What became of the request; whom it is about is not told."""
    match decision.outcome:
        case Rejected(reason=reason):
            span.set_attribute("badges.outcome", "rejected")
            span.set_attribute("badges.rejection_reason", reason.value)
        case Awarded(already_earned=True):
            span.set_attribute("badges.outcome", "already_earned")
        case Awarded():
            span.set_attribute("badges.outcome", "awarded" if decision.is_new else "repeated")
