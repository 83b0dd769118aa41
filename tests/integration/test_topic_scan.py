"""A scan of a topic on the real Kafka: what is committed up to now, once."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from messaging.clients import create_producer, stop_producer
from messaging.event_log import EventLog
from messaging.outbox_payload import OutboxMessage
from messaging.settings import KafkaSettings
from messaging.topic_scan import TopicHeldBackError, TopicOvertakenError, TopicScan, open_scan
from messaging.topics import topics_of
from trimming import delete_records


def message(kafka: KafkaSettings, number: int) -> OutboxMessage:
    """A message for the partition of that number."""
    topic = topics_of(kafka).badge_awarded
    return OutboxMessage(topic=topic, partition_hash=number, key=b"k", value=b"%d" % number, headers=())


async def values(scan: TopicScan) -> list[bytes]:
    """What the scan reads now."""
    return sorted([record.value async for records in scan.records() for record in records])


async def to_the_end(records: AsyncIterator[object]) -> None:
    async for _ in records:
        pass


async def test_scan_reads_what_was_committed_and_then_what_has_come_since(kafka: KafkaSettings) -> None:
    log = EventLog(kafka)
    await log.start()
    await log.publish([message(kafka, n) for n in range(8)], upto=1)
    async with open_scan(kafka, topics_of(kafka).badge_awarded) as scan:
        assert await values(scan) == [b"%d" % n for n in range(8)]
        assert await values(scan) == []
        await log.publish([message(kafka, 9)], upto=2)
        assert await values(scan) == [b"9"]
        assert scan.offsets_read == scan.offsets_to_read > 9
    await log.close()


async def test_scan_may_begin_at_a_time(kafka: KafkaSettings) -> None:
    producer = create_producer(kafka)
    await producer.start()
    topic, years = topics_of(kafka).badge_awarded, (2001, 2002, 2003)
    for year in years:
        at = int(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1000)
        await producer.send_and_wait(topic, b"%d" % year, key=b"k", timestamp_ms=at)
    await stop_producer(producer)
    async with open_scan(kafka, topic, since=datetime(2001, 6, 1, tzinfo=UTC)) as scan:
        assert await values(scan) == [b"2002", b"2003"]
    async with open_scan(kafka, topic, since=datetime(2004, 1, 1, tzinfo=UTC)) as scan:
        assert await values(scan) == []


async def test_scan_does_not_pass_an_open_transaction_in_silence(kafka: KafkaSettings) -> None:
    log = EventLog(kafka)
    await log.start()
    await log.publish([message(kafka, 0)], upto=1)
    await log._producer.begin_transaction()
    await log._send([message(kafka, 0)])
    async with open_scan(kafka, topics_of(kafka).badge_awarded, stall=1) as scan:
        with pytest.raises(TopicHeldBackError, match="partition 0 cannot be read past offset 2"):
            await values(scan)
    await log.close()


async def test_scan_that_deletion_overtakes_is_not_taken_for_complete(kafka: KafkaSettings) -> None:
    topic, producer = topics_of(kafka).badge_awarded, create_producer(kafka)
    await producer.start()
    for _ in range(40):  # far more than one fetch holds
        await producer.send_and_wait(topic, bytes(200_000), partition=0)
    await stop_producer(producer)
    async with open_scan(kafka, topic) as scan:
        records = scan.records()
        await anext(records)
        await delete_records(kafka, topic, before={0: 39})
        with pytest.raises(TopicOvertakenError, match="partition 0 at offset"):
            await to_the_end(records)
