"""The oldest request of each partition that no worker has done yet."""

import asyncio
from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from messaging.clients import create_reader
from messaging.lag import PartitionLag
from messaging.settings import KafkaSettings
from messaging.topics import topics_of

READ_SECONDS = 5
POLL_MS = 100


async def oldest_timestamps(kafka: KafkaSettings, lags: Sequence[PartitionLag]) -> Mapping[int, int | None]:
    """Return, by partition, the timestamp (ms) of the first request that waits and can be read.

    A partition is left out where nothing of the kind waits: nothing at all, or only what ended transactions
    leave behind. None stands where the record says no time, was deleted meanwhile, or could not be read within 5 s: a
    record that nobody can read is just what makes requests wait.
    """
    topic = topics_of(kafka).award_requests
    unread = {TopicPartition(topic, lag.partition): lag for lag in lags if lag.following < lag.readable}
    found: dict[int, int | None] = {}
    if not unread:
        return found
    consumer = create_reader(kafka, if_deleted="none")
    try:
        async with asyncio.timeout(READ_SECONDS):
            await consumer.start()
            await _read_first(consumer, unread, found)
    except (KafkaError, TimeoutError):
        found |= dict.fromkeys((target.partition for target in unread), None)
    finally:
        await consumer.stop()
    return found


async def _read_first(
    consumer: AIOKafkaConsumer, unread: dict[TopicPartition, PartitionLag], found: dict[int, int | None]
) -> None:
    """Move each partition from `unread` to `found`, or only out of `unread` where no request waits."""
    consumer.assign(list(unread))
    for target, lag in unread.items():
        consumer.seek(target, lag.following)
    while unread:
        try:
            fetched = await consumer.getmany(*unread, timeout_ms=POLL_MS, max_records=len(unread))
        except OffsetOutOfRangeError as error:
            for target in unread.keys() & error.args[0].keys():
                found[target.partition] = None
                del unread[target]
            continue
        for target, records in fetched.items():
            timestamp = records[0].timestamp
            found[target.partition] = timestamp if timestamp >= 0 else None
            del unread[target]
        for target in [target for target, lag in unread.items() if await _is_past(consumer, target, lag)]:
            del unread[target]


async def _is_past(consumer: AIOKafkaConsumer, target: TopicPartition, lag: PartitionLag) -> bool:
    """Whether everything readable was passed over: aborted records, and the markers of transactions."""
    return bool(await consumer.position(target) >= lag.readable)
