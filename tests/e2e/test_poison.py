"""Bad records among good ones: each good one is awarded once, each bad one is dead-lettered once."""

import asyncio
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import ConsumerRecord
from aiokafka.record.util import calc_crc32c

from builders import NOON, award_request
from devstack.seed import DemoTenant
from domain.awards import RejectionReason
from domain.times import parse_instant
from messaging.award_requested import encode_request
from messaging.clients import create_producer, stop_producer
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from observers import header, read_topic
from poison import BINARY, Poison, asking, poison
from processes import Installation

Position = tuple[int, int]
PARTITIONS = 4
NOON_MS = int(NOON.timestamp() * 1000)
ADDED = ("dlq_reason", "dlq_detail", "dlq_topic", "dlq_partition", "dlq_offset", "dlq_timestamp", "dlq_time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record to publish; `reason` is that of its dead letter, None for a good one."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    reason: RejectionReason | None


async def put(kafka: KafkaSettings, records: Sequence[Record]) -> Mapping[Position, Record]:
    """Publish all in one go; return where each one is."""
    producer = create_producer(kafka)
    topic = topics_of(kafka).award_requests
    try:
        await producer.start()
        sent = []
        for number, record in enumerate(records):
            batch = producer.create_batch()  # `send` refuses a record without key and value
            batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
            batch.close()
            sent.append(await producer.send_batch(batch, topic, partition=number % PARTITIONS))
        places = [await acknowledged for acknowledged in sent]
    finally:
        await stop_producer(producer)
    return {(place.partition, place.offset): record for place, record in zip(places, records, strict=True)}


def good(tenant_id: str, number: int) -> Record:
    """A request of a participant of its own, with odd but harmless headers."""
    key, value, headers = encode_request(award_request(tenant_id=tenant_id, participant_id=f"good-{number}"))
    odd = [
        ("traceparent", None),
        ("binary", b"\xff\xfe"),
        ("reply_partition", [b"9999", b"-1", b"\xff", b"0"][number % 4]),
    ]
    return Record(key=[key, b"another key", None][number % 3], value=value, headers=[*headers, *odd], reason=None)


def bad(record: Poison) -> Record:
    """A record of the corpus."""
    return Record(key=record.key, value=record.value, headers=record.headers, reason=record.reason)


def rejected_for(reason: RejectionReason, value: bytes) -> Record:
    """A well-formed request that the database knows better about."""
    headers = [*BINARY, ("reply_partition", b"3"), ("request_id", str(uuid4()).encode()), ("binary", b"\x80")]
    return Record(key=b"\xff\x00 no text", value=value, headers=headers, reason=reason)


async def corpus(demo: DemoTenant, connection: asyncpg.Connection) -> Sequence[Record]:
    """Good and bad records in turn."""
    await connection.execute("UPDATE tenants SET is_enabled = false WHERE id = $1", demo.test_id)
    await connection.execute("UPDATE badges SET is_active = false WHERE code = 'first_steps'")
    bads = [
        *map(bad, poison(demo.id)),
        rejected_for(RejectionReason.UNKNOWN_TENANT, asking(uuid4())),
        rejected_for(RejectionReason.TENANT_DISABLED, asking(demo.test_id)),
        rejected_for(RejectionReason.BADGE_NOT_FOUND, asking(demo.id, badge_code="no_such_badge")),
        rejected_for(RejectionReason.BADGE_NOT_FOUND, asking(demo.id, badge_code="first_steps")),
    ]
    return [record for number, bad in enumerate(bads) for record in (good(demo.id, number), bad)]


def position_of(letter: ConsumerRecord) -> Position:
    """Where the record of a dead letter was."""
    return int(header(letter, "dlq_partition") or -1), int(header(letter, "dlq_offset") or -1)


@pytest.mark.parametrize("batch_size", ["1000", "7", "1"])
async def test_poison_among_good_records_harms_nobody(
    batch_size: str, badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    topics = topics_of(badges.kafka)
    published = await put(badges.kafka, await corpus(demo, connection))
    bads = {place: record for place, record in published.items() if record.reason is not None}
    goods = len(published) - len(bads)
    worker = await badges.worker(batch_size=batch_size).ready()

    letters = await read_topic(badges.kafka, topics.award_requests_dlq, at_least=len(bads), settle=1)
    events = await read_topic(badges.kafka, topics.badge_awarded, at_least=goods, settle=0.5)

    assert sorted(position_of(letter) for letter in letters) == sorted(bads)
    for letter in letters:
        record = bads[position_of(letter)]
        assert header(letter, "dlq_reason") == record.reason, header(letter, "dlq_detail")
        assert (letter.key, letter.value) == (record.key, record.value)
        assert [*letter.headers[: len(record.headers)]] == [*record.headers]
        assert tuple(name for name, _ in letter.headers[len(record.headers) :]) == ADDED
        assert header(letter, "dlq_topic") == topics.award_requests
        assert header(letter, "dlq_detail")
        parse_instant("dlq_time", header(letter, "dlq_time"))

    assert sorted(header(event, "ce_subject") or "" for event in events) == sorted(f"good-{n}" for n in range(goods))
    rows = await connection.fetch('SELECT topic, partition, "offset", reason FROM rejected_requests')
    assert {(row["partition"], row["offset"]): row["reason"] for row in rows} == {
        place: record.reason for place, record in bads.items()
    }
    assert {row["topic"] for row in rows} == {topics.award_requests}
    assert await connection.fetchval("SELECT count(*) FROM awards") == goods
    assert worker.process is not None
    assert worker.process.poll() is None, worker.tail()


async def test_poison_delivered_again_makes_no_second_dead_letter(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    """The worker dies with its offsets not committed; the next one gets every record again."""
    topics = topics_of(badges.kafka)
    records = await corpus(demo, connection)
    bads = [record for record in records if record.reason is not None]
    await put(badges.kafka, records)
    doomed = badges.faulty_worker("after_commit")
    assert await asyncio.to_thread(doomed.wait) == -9
    worker = await badges.worker().ready()
    letters = await read_topic(badges.kafka, topics.award_requests_dlq, at_least=len(bads), settle=2)
    events = await read_topic(badges.kafka, topics.badge_awarded, at_least=len(records) - len(bads), settle=0.5)
    assert len({position_of(letter) for letter in letters}) == len(letters) == len(bads)
    assert len(events) == len(records) - len(bads)
    assert worker.process is not None
    assert worker.process.poll() is None, worker.tail()


async def test_record_of_the_largest_size_reaches_the_dead_letters_whole(
    worker: Installation, demo: DemoTenant
) -> None:
    value = asking(demo.id, participant_id="x" * (1024 * 1024 - 2000))
    record = Record(key=b"k" * 500, value=value, headers=[*BINARY, ("a", b"x" * 500)], reason=RejectionReason.TOO_LARGE)
    await put(worker.kafka, [record, replace(record, key=None)])
    letters = await read_topic(worker.kafka, topics_of(worker.kafka).award_requests_dlq, at_least=2, settle=0.5)
    assert [header(letter, "dlq_reason") for letter in letters] == ["too_large"] * 2
    assert {letter.value for letter in letters} == {value}


async def put_batch(kafka: KafkaSettings, records: Sequence[Record], change: Callable[[bytes], bytes]) -> None:
    """Publish one batch as a producer of another kind might write it."""
    producer = create_producer(kafka)
    try:
        await producer.start()
        batch = producer.create_batch()
        for record in records:
            batch.append(timestamp=NOON_MS, key=record.key, value=record.value, headers=list(record.headers))
        build = batch._build
        batch._build = lambda: change(bytes(build()))
        await (await producer.send_batch(batch, topics_of(kafka).award_requests, partition=0))
    finally:
        await stop_producer(producer)


def signed(batch: bytes) -> bytes:
    """The batch with its length and checksum made right."""
    signed = bytearray(batch)
    signed[8:12] = struct.pack(">i", len(batch) - 12)
    signed[17:21] = struct.pack(">I", calc_crc32c(bytes(batch[21:])))
    return bytes(signed)


async def test_header_name_that_is_not_utf_8_harms_nobody(worker: Installation, demo: DemoTenant) -> None:
    """Kafka takes any bytes as a name, and librdkafka sends them."""
    odd = good(demo.id, 1)
    odd = replace(odd, headers=[*odd.headers, ("NAME", b"")])
    await put_batch(
        worker.kafka,
        [good(demo.id, 0), odd, good(demo.id, 2)],
        lambda batch: signed(batch.replace(b"NAME", b"\xff\xfe\xff\xfe")),
    )
    await put(worker.kafka, [good(demo.id, number) for number in (3, 4, 5, 6)])
    events = await read_topic(worker.kafka, topics_of(worker.kafka).badge_awarded, at_least=7, seconds=5)
    assert sorted(header(event, "ce_subject") or "" for event in events) == [f"good-{number}" for number in range(7)]


async def test_metadata_at_its_limits_is_awarded_and_told_as_it_came(
    worker: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    deep: object = 1
    for _ in range(31):
        deep = {"a": deep}
    metadatas: Sequence[dict[str, object]] = [
        {"deep": deep},
        {"large": "x" * (16 * 1024 - 12)},
        {"big": 2**64 + 1, "digits": 10**4000, "small": 5e-324, "huge": 1.7976931348623157e308, "minus": -0.1},
        {"": {"": [[], {}, None, True, "\x01\x7f\u2028\uffff🏅"]}},
    ]
    requests = [
        award_request(tenant_id=demo.id, participant_id=f"limit-{number}", metadata=metadata)
        for number, metadata in enumerate(metadatas)
    ]
    encoded = [encode_request(request) for request in requests]
    await put(worker.kafka, [Record(key=k, value=v, headers=h, reason=None) for k, v, h in encoded])
    events = await read_topic(worker.kafka, topics_of(worker.kafka).badge_awarded, at_least=4, settle=0.5)
    told = {header(event, "ce_subject"): json.loads(event.value)["metadata"] for event in events}
    assert told == {f"limit-{number}": metadata for number, metadata in enumerate(metadatas)}
    rows = await connection.fetch("SELECT participant_id, metadata FROM awards")
    kept = {row["participant_id"]: json.loads(row["metadata"], parse_int=float) for row in rows}
    assert kept == json.loads(json.dumps(told), parse_int=float)  # jsonb writes 1.7e308 as an integer
