"""Reads one topic from every partition, without a group: nothing is committed, nobody is disturbed."""

from collections.abc import AsyncGenerator, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.structs import TopicPartition

from messaging.clients import create_reader
from messaging.refusals import reasons_told
from messaging.settings import KafkaSettings

POLL_MS = 500


async def read_topic(
    kafka: KafkaSettings, topic: str, *, from_beginning: bool, follow: bool
) -> AsyncGenerator[Sequence[ConsumerRecord], None]:
    """Yield what was committed, as it comes; without `follow` until the ends of now.

    Raises:
        KafkaError: no broker, or no such topic.
    """
    consumer = create_reader(kafka)
    try:
        async with reasons_told(kafka):
            await consumer.start()
        numbers = await consumer._client._wait_on_metadata(topic)  # noqa: SLF001 - partitions_for_topic() knows only subscribed topics
        partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        starts = await consumer.beginning_offsets(partitions) if from_beginning else ends
        for partition, start in starts.items():
            consumer.seek(partition, start)
        unread = {partition for partition in partitions if starts[partition] < ends[partition]}
        while follow or unread:
            fetched = await consumer.getmany(timeout_ms=POLL_MS)
            for records in fetched.values():
                yield records
            for partition in list(unread):
                if await _is_read(consumer, partition, ends[partition]):
                    unread.discard(partition)
    finally:
        await consumer.stop()


async def _is_read(consumer: AIOKafkaConsumer, partition: TopicPartition, end: int) -> bool:
    """Whether everything committed below `end` was read: an open transaction keeps the rest back."""
    position = await consumer.position(partition)
    stable = consumer.last_stable_offset(partition)
    return position >= end or (stable is not None and position >= stable)
