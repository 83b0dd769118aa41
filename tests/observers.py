"""What a consumer of the topics sees."""

import asyncio
from collections.abc import Sequence

from aiokafka import ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition

from messaging.clients import create_reader
from messaging.settings import KafkaSettings
from messaging.topics import topics_of


async def read_topic(
    kafka: KafkaSettings,
    topic: str,
    *,
    at_least: int = 0,
    seconds: float = 30,
    settle: float = 0.0,
    uncommitted: bool = False,
) -> Sequence[ConsumerRecord]:
    """Return the records of a topic, oldest first within each partition; aborted ones only if asked.

    Waits until there are `at_least` so many, at most `seconds`; then `settle` seconds more for any
    that should not be there.
    """
    consumer = create_reader(kafka, fetch_max_wait_ms=50)
    if uncommitted:
        consumer._isolation_level = "read_uncommitted"
    await consumer.start()
    try:
        count = len(await consumer._client._wait_on_metadata(topic))
        partitions = [TopicPartition(topic, number) for number in range(count)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        records: list[ConsumerRecord] = []
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (seconds if at_least else 0.5)
        settled = None
        while loop.time() < (settled or deadline):
            for fetched in (await consumer.getmany(timeout_ms=100)).values():
                records += fetched
            if settled is None and len(records) >= at_least:
                settled = loop.time() + max(settle, 0.3)
        return records
    finally:
        await consumer.stop()


async def worker_group(kafka: KafkaSettings) -> tuple[str, frozenset[str]]:
    """The state of the workers' group, and its members: whoever joins anew has another id."""
    admin = AIOKafkaAdminClient(**kafka.connection())
    await admin.start()
    try:
        (answer,) = await admin.describe_consumer_groups([topics_of(kafka).worker_group])
        ((_code, _group, state, _kind, _protocol, members, *_rest),) = answer.groups
        return state, frozenset(member[0] for member in members)
    finally:
        await admin.close()


def header(record: ConsumerRecord, name: str) -> str | None:
    """The text of a header; None when it is missing."""
    values = [value for key, value in record.headers if key == name]
    return values[-1].decode() if values else None
