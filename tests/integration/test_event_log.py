"""The event log on the real Kafka: all or nothing, and one producer at a time."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import pytest

from messaging.event_log import EventLog, EventLogLostError
from messaging.outbox_payload import OutboxMessage, hash_of_key
from messaging.settings import KafkaSettings
from messaging.topics import Topics, create_topics, topics_of
from observers import read_topic


class HangingEventLog(EventLog):
    """Stands still with every message sent and acknowledged, and the transaction open."""

    def __init__(self, kafka: KafkaSettings) -> None:
        super().__init__(kafka)
        self.is_sent = asyncio.Event()
        self.may_go_on = asyncio.Event()

    async def _send(self, messages: Iterable[OutboxMessage]) -> None:
        await super()._send(messages)
        self.is_sent.set()
        await self.may_go_on.wait()


@asynccontextmanager
async def event_log(kafka: KafkaSettings) -> AsyncIterator[EventLog]:
    """One life of the producer."""
    log = EventLog(kafka)
    try:
        await log.start()
        yield log
    finally:
        await log.close()


def messages(kafka: KafkaSettings, *values: bytes) -> Sequence[OutboxMessage]:
    """Events with these values."""
    topic = topics_of(kafka).badge_awarded
    return [
        OutboxMessage(topic=topic, partition_hash=hash_of_key(value), key=value, value=value, headers=())
        for value in values
    ]


async def values(kafka: KafkaSettings, at_least: int) -> list[bytes]:
    """What a reader of committed records sees of the events."""
    records = await read_topic(kafka, topics_of(kafka).badge_awarded, at_least=at_least, settle=0.5)
    return sorted(record.value for record in records)


async def test_new_topics_have_no_watermark(kafka: KafkaSettings) -> None:
    async with event_log(kafka) as log:
        assert await log.read_watermark() is None
        assert await log.read_watermark() is None


async def test_watermark_is_that_of_the_last_publication(kafka: KafkaSettings) -> None:
    async with event_log(kafka) as log:
        await log.publish([], upto=0)
        assert await log.read_watermark() == 0
        await log.publish(messages(kafka, b"a", b"b"), upto=7)
        await log.publish(messages(kafka, b"c"), upto=9)
        assert await log.read_watermark() == 9
    async with event_log(kafka) as another:
        assert await another.read_watermark() == 9
    assert await values(kafka, 3) == [b"a", b"b", b"c"]


async def test_messages_come_out_as_they_were_given(kafka: KafkaSettings) -> None:
    topics = topics_of(kafka)
    headers = (("a", None), ("a", b""), ("ü", b"\xff"))
    given = [
        OutboxMessage(topic=topics.award_requests_dlq, partition_hash=n, key=key, value=value, headers=headers)
        for n, (key, value) in enumerate([(None, None), (b"", b""), (b"\xff", b"\x00")])
    ]
    async with event_log(kafka) as log:
        await log.publish(given, upto=1)
    records = await read_topic(kafka, topics.award_requests_dlq, at_least=3)
    assert [(r.partition, r.key, r.value) for r in sorted(records, key=lambda record: record.partition)] == [
        (0, None, None),
        (1, b"", b""),
        (2, b"\xff", b"\x00"),
    ]
    assert {tuple(record.headers) for record in records} == {headers}


async def test_messages_of_one_partition_keep_their_order_over_many_batches(kafka: KafkaSettings) -> None:
    topic = topics_of(kafka).badge_awarded
    given = [
        OutboxMessage(topic=topic, partition_hash=4, key=b"k", value=b"%d " % n + b"x" * 100_000, headers=())
        for n in range(40)
    ]
    async with event_log(kafka) as log:
        await log.publish(given, upto=1)
    records = await read_topic(kafka, topic, at_least=40)
    assert [int(record.value.split()[0]) for record in records] == list(range(40))
    assert {record.partition for record in records} == {0}


async def test_message_larger_than_a_batch_is_published(kafka: KafkaSettings) -> None:
    (message,) = messages(kafka, b"x" * (1024 * 1024))
    async with event_log(kafka) as log:
        await log.publish([message], upto=1)
    assert [len(value) for value in await values(kafka, 1)] == [1024 * 1024]


async def test_new_event_log_fences_the_one_before(kafka: KafkaSettings) -> None:
    async with event_log(kafka) as first:
        await first.publish(messages(kafka, b"a"), upto=1)
        async with event_log(kafka) as second:
            with pytest.raises(EventLogLostError):
                await first.publish(messages(kafka, b"lost"), upto=2)
            assert await second.read_watermark() == 1
            await second.publish(messages(kafka, b"b"), upto=2)
            assert await second.read_watermark() == 2
    assert await values(kafka, 2) == [b"a", b"b"]


async def test_transaction_open_at_a_take_over_is_lost_and_never_seen(kafka: KafkaSettings) -> None:
    first = HangingEventLog(kafka)
    await first.start()
    hanging = asyncio.create_task(first.publish(messages(kafka, b"lost", b"too"), upto=5))
    await first.is_sent.wait()
    async with event_log(kafka) as second:
        assert await second.read_watermark() is None
        await second.publish(messages(kafka, b"a"), upto=1)
        first.may_go_on.set()
        with pytest.raises(EventLogLostError):
            await hanging
        await second.publish(messages(kafka, b"b"), upto=2)
        assert await second.read_watermark() == 2
    await first.close()
    assert await values(kafka, 2) == [b"a", b"b"]
    everything = await read_topic(kafka, topics_of(kafka).badge_awarded, at_least=4, uncommitted=True)
    assert len(everything) == 4


async def test_publication_that_fails_publishes_nothing(kafka: KafkaSettings) -> None:
    good = messages(kafka, b"a", b"b")
    too_large = messages(kafka, b"x" * (4 * 1024 * 1024 + 1))
    async with event_log(kafka) as log:
        with pytest.raises(EventLogLostError):
            await log.publish([*good, *too_large], upto=3)
    async with event_log(kafka) as another:
        assert await another.read_watermark() is None
    assert await values(kafka, 0) == []


async def test_installations_of_one_cluster_do_not_fence_each_other(kafka: KafkaSettings) -> None:
    other = kafka.model_copy(update={"prefix": f"{kafka.prefix}other_"})
    await create_topics(other, partitions=1)
    async with event_log(kafka) as one, event_log(other) as two:
        await one.publish(messages(kafka, b"a"), upto=1)
        await two.publish(messages(other, b"b"), upto=2)
        assert await one.read_watermark() == 1
    assert await values(other, 1) == [b"b"]


async def test_unreachable_kafka_is_a_lost_event_log() -> None:
    log = EventLog(KafkaSettings(bootstrap="127.0.0.1:1"))
    async with asyncio.timeout(30):
        with pytest.raises(EventLogLostError):
            await log.start()
    await log.close()


async def test_topics_are_made_once_and_left_as_they_are(kafka: KafkaSettings) -> None:
    await create_topics(kafka, partitions=9)
    async with event_log(kafka) as log:
        assert len(await log._producer.partitions_for(topics_of(kafka).badge_awarded)) == 4
        assert len(await log._producer.partitions_for(topics_of(kafka).award_outcomes)) == 12


def test_names_of_one_prefix_are_all_different() -> None:
    topics = Topics("a_")
    names = [
        topics.award_requests,
        topics.badge_awarded,
        topics.award_outcomes,
        topics.award_requests_dlq,
        topics.relay_marker,
    ]
    assert len(set(names)) == 5
    assert all(name.startswith("a_") for name in [*names, topics.worker_group, topics.relay_transactional_id])
