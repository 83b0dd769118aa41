"""Where it is asked for, one trace goes from the call through Kafka, worker, Postgres and relay to the event."""

import asyncio
import time
from collections.abc import Iterator
from uuid import UUID

import asyncpg
import httpx
import pytest
from aiokafka import ConsumerRecord

from builders import award_request
from devstack.seed import DemoTenant
from domain.awards import AwardRequest
from messaging.award_requested import encode_request
from messaging.clients import create_producer, stop_producer
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from observers import header, read_topic
from otlp_collector import Collector, collecting, named
from processes import Installation
from shared import GAMIFY

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
CALL = f"POST {GAMIFY}/badges/award"
SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Where every service that is started in the test sends its spans."""
    with collecting() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        yield running


def names(kafka: KafkaSettings) -> tuple[str, str, str]:
    """How the spans of a request, of its processing and of its event are called here."""
    topics = topics_of(kafka)
    return f"send {topics.award_requests}", f"process {topics.award_requests}", f"send {topics.badge_awarded}"


async def award(url: str, demo: DemoTenant, participant_id: str = "user_123", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=url, headers={"X-API-Key": demo.live_key} | headers, timeout=15) as client:
        body = {"participant_id": participant_id, "badge_code": "power_user"}
        return await client.post(f"{GAMIFY}/badges/award", json=body)


async def publish(kafka: KafkaSettings, *records: tuple[AwardRequest, bytes | None]) -> None:
    """Publish requests, each with a `traceparent`, to one partition, as a service does that traces what it does."""
    producer = create_producer(kafka)
    await producer.start()
    try:
        for request, traceparent in records:
            key, value, headers = encode_request(request)
            traced = [*headers, ("traceparent", traceparent), ("tracestate", traceparent)] if traceparent else headers
            await producer.send(topics_of(kafka).award_requests, value, key=key, headers=list(traced), partition=0)
    finally:
        await stop_producer(producer)


async def events_of(kafka: KafkaSettings, count: int) -> dict[str | None, ConsumerRecord]:
    records = await read_topic(kafka, topics_of(kafka).badge_awarded, at_least=count)
    assert len(records) == count
    return {header(record, "ce_subject"): record for record in records}


async def test_one_trace_goes_from_the_call_to_the_event(
    collector: Collector, badges: Installation, demo: DemoTenant
) -> None:
    gateway, _ = await asyncio.gather(badges.gateway().ready(), badges.worker().ready())
    answer = await award(gateway.url, demo, "secret one", traceparent=TRACEPARENT, tracestate="vendor=1")
    assert answer.json()["already_earned"] is False
    sent, processed, told = names(badges.kafka)
    spans = await collector.wait_for(CALL, sent, processed, "transaction postgresql", told)
    (event,) = (await events_of(badges.kafka, 1)).values()

    way = [named(spans, name) for name in (CALL, sent, processed, told)]
    assert {span.trace_id for span in way} == {TRACE}
    assert [span.parent_id for span in way] == [PARENT, *(span.span_id for span in way[:-1])]
    assert [span.kind for span in way] == [SERVER, PRODUCER, CONSUMER, PRODUCER]
    assert [span.service for span in way] == ["badges-api"] * 2 + ["badges-award-worker"] * 2
    assert {span.state for span in way} == {"vendor=1"}
    assert (header(event, "traceparent"), header(event, "tracestate")) == (way[-1].traceparent, "vendor=1")
    transaction = named(spans, "transaction postgresql")
    assert (transaction.trace_id, transaction.parent_id, transaction.kind) == (TRACE, way[2].span_id, CLIENT)
    assert not [span for span in spans if span.is_error]


async def test_spans_tell_what_the_conventions_ask_and_never_whom(
    collector: Collector, badges: Installation, demo: DemoTenant
) -> None:
    gateway, _ = await asyncio.gather(badges.gateway().ready(), badges.worker().ready())
    await award(gateway.url, demo, "somebody")
    async with httpx.AsyncClient(base_url=gateway.url, headers={"X-API-Key": demo.live_admin_key}) as client:
        for path in ("/livez", f"{GAMIFY}/participants/somebody/badges", f"{GAMIFY}/participants/some%2Fbody/badges"):
            assert (await client.get(path)).status_code == httpx.codes.OK
    sent, processed, told = names(badges.kafka)
    listed = f"GET {GAMIFY}/participants/{{participant_id}}/badges"
    spans = await collector.wait_for(CALL, sent, processed, told, listed, listed)

    topics = topics_of(badges.kafka)
    common = {"messaging.system": "kafka", "messaging.destination.name": topics.award_requests}
    published, request = named(spans, sent).attributes, named(spans, processed).attributes
    assert published.items() >= (common | {"messaging.operation.type": "send"}).items()
    assert request.items() >= (common | {"messaging.operation.type": "process"}).items()
    for place in ("messaging.destination.partition.id", "messaging.kafka.offset"):
        assert published[place] == request[place]
    assert request["messaging.consumer.group.name"] == topics.worker_group
    assert str(UUID(str(request["messaging.message.id"]))) == request["messaging.message.id"]
    assert request["badges.outcome"] == "awarded"
    assert named(spans, CALL).attributes["http.response.status_code"] == 200
    assert {span.attributes.get("db.system.name") for span in spans if span.name == "read postgresql"} == {"postgresql"}
    assert "GET /livez" not in {span.name for span in spans}
    everything = b"".join(collector.bodies)
    assert not [told for told in (b"somebody", b"some/body", b"some%2F", demo.live_key.encode()) if told in everything]


async def test_an_upstream_trace_goes_on_and_each_request_of_a_batch_has_its_own(
    collector: Collector, badges: Installation, demo: DemoTenant
) -> None:
    traces = {f"user_{number}": f"{number:032x}" for number in range(1, 4)}
    records = [
        (award_request(tenant_id=demo.id, participant_id=who), f"00-{trace}-{PARENT}-01".encode())
        for who, trace in traces.items()
    ]
    await publish(badges.kafka, *records, (award_request(tenant_id=demo.id, participant_id="untraced"), None))
    await badges.worker().ready()
    _, processed, told = names(badges.kafka)
    spans = await collector.wait_for(*[processed] * 4, *[told] * 3)
    events = await events_of(badges.kafka, 4)

    (batch,) = [span for span in spans if "messaging.batch.message_count" in span.attributes]
    assert batch.attributes["messaging.batch.message_count"] == 4
    assert batch.parent_id == ""
    assert set(batch.links) == {(trace, PARENT) for trace in traces.values()}
    for who, trace in traces.items():
        (request,) = [s for s in spans if s.trace_id == trace and s.name == processed]
        (transaction,) = [s for s in spans if s.trace_id == trace and s.name == "transaction postgresql"]
        (event,) = [s for s in spans if s.trace_id == trace and s.name == told]
        assert (request.parent_id, transaction.parent_id, event.parent_id) == (PARENT, *[request.span_id] * 2)
        assert list(request.links) == [(batch.trace_id, batch.span_id)]
        assert header(events[who], "traceparent") == event.traceparent
    assert header(events["untraced"], "traceparent") is None


async def test_a_malformed_traceparent_loses_nothing(
    collector: Collector, badges: Installation, demo: DemoTenant
) -> None:
    malformed = [
        b"00-xyz",
        b"\xff\xfe",
        f"00-{'0' * 32}-{PARENT}-01".encode(),
        f"ff-{TRACE}-{PARENT}-01".encode(),
        f"00-{TRACE.upper()}-{PARENT}-01".encode(),
        b"9" * 100_000,
    ]
    requests = [award_request(tenant_id=demo.id, participant_id=f"user_{number}") for number in range(len(malformed))]
    await publish(badges.kafka, *zip(requests, malformed, strict=True))
    await badges.worker().ready()
    for event in (await events_of(badges.kafka, len(malformed))).values():
        assert (header(event, "traceparent"), header(event, "tracestate")) == (None, None)
    assert collector.spans() == []


async def test_a_call_with_a_malformed_traceparent_begins_a_trace(
    collector: Collector, badges: Installation, demo: DemoTenant
) -> None:
    gateway, _ = await asyncio.gather(badges.gateway().ready(), badges.worker().ready())
    assert (await award(gateway.url, demo, traceparent="00-nonsense")).status_code == httpx.codes.OK
    sent, processed, told = names(badges.kafka)
    spans = await collector.wait_for(CALL, sent, processed, told)
    assert named(spans, CALL).parent_id == ""
    assert len({span.trace_id for span in spans}) == 1


async def test_a_trace_that_nobody_samples_makes_no_spans_but_goes_on(
    collector: Collector, badges: Installation, demo: DemoTenant
) -> None:
    gateway, _ = await asyncio.gather(badges.gateway().ready(), badges.worker().ready())
    await award(gateway.url, demo, traceparent=f"00-{TRACE}-{PARENT}-00")
    (event,) = (await events_of(badges.kafka, 1)).values()
    traceparent = header(event, "traceparent") or ""
    assert traceparent.startswith(f"00-{TRACE}-")
    assert traceparent.endswith("-00")
    await asyncio.to_thread(gateway.stop)
    assert [span for span in collector.spans() if span.trace_id == TRACE] == []


async def test_duplicates_and_repeats_are_told_apart_and_make_no_second_event(
    collector: Collector, badges: Installation, demo: DemoTenant
) -> None:
    first, other = award_request(tenant_id=demo.id), award_request(tenant_id=demo.id)
    await publish(badges.kafka, *[(request, TRACEPARENT.encode()) for request in (first, first, other)])
    await badges.worker().ready()
    _, processed, told = names(badges.kafka)
    spans = await collector.wait_for(*[processed] * 4, told)
    of_requests = [span for span in spans if span.name == processed and span.trace_id == TRACE]
    in_order = sorted(of_requests, key=lambda span: int(str(span.attributes["messaging.kafka.offset"])))
    assert [span.attributes["badges.outcome"] for span in in_order] == ["awarded", "repeated", "already_earned"]
    assert named(spans, told).parent_id == in_order[0].span_id
    await events_of(badges.kafka, 1)


async def test_a_dead_letter_is_in_the_trace_with_its_headers_as_they_came(
    collector: Collector, badges: Installation, demo: DemoTenant
) -> None:
    await publish(badges.kafka, (award_request(tenant_id=demo.id, badge_code="none"), TRACEPARENT.encode()))
    await badges.worker().ready()
    topics = topics_of(badges.kafka)
    (request,) = await read_topic(badges.kafka, topics.award_requests, at_least=1)
    (letter,) = await read_topic(badges.kafka, topics.award_requests_dlq, at_least=1)
    assert letter.headers[: len(request.headers)] == request.headers
    spans = await collector.wait_for(f"process {topics.award_requests}", f"send {topics.award_requests_dlq}")
    request_span = named(spans, f"process {topics.award_requests}")
    assert request_span.attributes["badges.outcome"] == "rejected"
    assert request_span.attributes["badges.rejection_reason"] == "badge_not_found"
    assert {span.trace_id for span in spans} == {TRACE}


async def test_a_failure_is_in_the_trace_and_its_log_line_names_trace_and_request(
    collector: Collector, badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    gateway = await badges.gateway().ready()
    await connection.execute("ALTER TABLE badges RENAME TO gone")
    assert (await award(gateway.url, demo, "secret one", traceparent=TRACEPARENT)).status_code == 500
    spans = await collector.wait_for(CALL)
    assert named(spans, CALL).is_error
    assert any(span.is_error for span in spans if span.name == "read postgresql")
    assert not [body for body in collector.bodies if b"secret one" in body or b"UndefinedTable" in body]
    (line,) = [line for line in gateway.log.read_text().splitlines() if '"request.failed"' in line]
    assert f'"trace_id": "{TRACE}"' in line
    assert '"request_id": "' in line
    assert '"participant_hash": "' in line
    assert "secret one" not in line


async def test_a_batch_that_fails_names_its_traces_in_the_log_and_goes_on_in_them(
    collector: Collector, badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    worker = await badges.worker().ready()
    await connection.execute("ALTER TABLE awards RENAME TO gone")
    await publish(badges.kafka, (award_request(tenant_id=demo.id), TRACEPARENT.encode()))
    assert await asyncio.to_thread(worker.wait) == 1
    (failed,) = [line for line in worker.log.read_text().splitlines() if '"batch.failed"' in line]
    assert f"traces: {TRACE}" in failed
    await connection.execute("ALTER TABLE gone RENAME TO awards")
    worker.start()
    (event,) = (await events_of(badges.kafka, 1)).values()
    _, _, told = names(badges.kafka)
    assert header(event, "traceparent") == named(await collector.wait_for(told), told).traceparent


async def test_awards_go_on_and_services_end_in_time_when_the_collector_is_gone(
    badges: Installation, demo: DemoTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    gateway, worker = await asyncio.gather(badges.gateway().ready(), badges.worker().ready())
    assert (await award(gateway.url, demo)).status_code == httpx.codes.OK
    for service in (gateway, worker):
        started = time.monotonic()
        await asyncio.to_thread(service.stop)
        assert time.monotonic() - started < 12
        assert service.process is not None
        assert service.process.poll() == 0


async def test_without_traces_no_header_is_added(worker: Installation, demo: DemoTenant) -> None:
    gateway = await worker.gateway().ready()
    assert (await award(gateway.url, demo, traceparent=TRACEPARENT)).status_code == httpx.codes.OK
    topics = topics_of(worker.kafka)
    for topic in (topics.award_requests, topics.badge_awarded):
        (record,) = await read_topic(worker.kafka, topic, at_least=1)
        assert not [name for name, _ in record.headers if name.startswith("trace")]
