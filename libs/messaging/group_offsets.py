"""What a consumer group has committed, and for which topic; where the partitions of a topic begin and end."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from uuid import UUID

from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import (
    KafkaError,
    LeaderNotAvailableError,
    NodeNotReadyError,
    NoError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from messaging.admin_requests import TopicIdRequest
from messaging.refusals import reasons_told
from messaging.settings import KafkaSettings

RETRY_SECONDS = 0.1
REQUEST_MS = 5000

_UNCOMMITTED, _COMMITTED = 0, 1
_LATEST, _EARLIEST = -1, -2


@asynccontextmanager
async def open_client(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaClient]:
    """Lend a client for questions, which neither writes nor reads records.

    Raises:
        KafkaError: no broker answers.
    """
    client = AIOKafkaClient(**kafka.connection(), request_timeout_ms=REQUEST_MS)
    try:
        async with reasons_told(kafka):
            await client.bootstrap()
        yield client
    finally:
        await client.close()


async def partitions_of(client: AIOKafkaClient, topic: str) -> Collection[int]:
    """Return the numbers of the topic's partitions.

    Raises:
        UnknownTopicOrPartitionError: there is no such topic, or Kafka did not tell of it in time.
    """
    _check_connected(client)
    numbers: Collection[int] = await client._wait_on_metadata(topic)  # noqa: SLF001 - no public way
    return sorted(numbers)


async def topic_id_of(client: AIOKafkaClient, topic: str) -> UUID | None:
    """Return the id that the topic was given when it was made: one made anew has another. None when there is none.

    Raises:
        KafkaError: no answer.
    """
    _check_connected(client)
    answer = await client.send(client.get_random_node(), TopicIdRequest(topic))
    code, _name, topic_id, *_rest = answer.topics[0]
    if for_code(code) is UnknownTopicOrPartitionError:
        return None
    _check(code)
    found: UUID = topic_id
    return found


async def committed_offsets(
    client: AIOKafkaClient, group: str, topic: str, partitions: Collection[int]
) -> Mapping[int, int]:
    """Return what the group has committed; a partition where it has nothing is left out. Retries without end.

    Raises:
        KafkaError: an error that will not pass by itself.
    """
    commits = await commits_of(client, group, topic, partitions)
    return {partition: commit.offset for partition, commit in commits.items()}


async def commits_of(
    client: AIOKafkaClient, group: str, topic: str, partitions: Collection[int]
) -> Mapping[int, OffsetAndMetadata]:
    """Return the same with the text that was committed beside each offset.

    Asked by hand: while a coordinator loads, its error stands at the top of the answer only, where aiokafka's own
    calls do not look, and the offsets seem to be missing.
    """
    while True:
        try:
            return await _committed(client, group, topic, partitions)
        except KafkaError as error:
            if not error.retriable:
                raise
        await asyncio.sleep(RETRY_SECONDS)


def is_of_topic(commit: OffsetAndMetadata, topic_id: UUID | None) -> bool:
    """Whether it counts records of this topic; without a text that tells, it is believed."""
    return commit.metadata in ("", str(topic_id))


async def first_offsets(client: AIOKafkaClient, topic: str, partitions: Collection[int]) -> Mapping[int, int]:
    """Return each partition's first offset that is still kept. Retries without end; raises KafkaError."""
    return await _log_offsets(client, topic, partitions, at=_EARLIEST, isolation=_UNCOMMITTED)


async def end_offsets(client: AIOKafkaClient, topic: str, partitions: Collection[int]) -> Mapping[int, int]:
    """Return each partition's next offset, open transactions included. Retries without end; raises KafkaError."""
    return await _log_offsets(client, topic, partitions, at=_LATEST, isolation=_UNCOMMITTED)


async def readable_offsets(client: AIOKafkaClient, topic: str, partitions: Collection[int]) -> Mapping[int, int]:
    """Return up to where `read_committed` readers see: an open transaction holds back all that comes after it."""
    return await _log_offsets(client, topic, partitions, at=_LATEST, isolation=_COMMITTED)


async def _committed(
    client: AIOKafkaClient, group: str, topic: str, partitions: Collection[int]
) -> Mapping[int, OffsetAndMetadata]:
    _check_connected(client)
    node = await client.coordinator_lookup(CoordinationType.GROUP, group)
    request = OffsetFetchRequest(group, [(topic, list(partitions))])
    answer = await client.send(node, request, group=ConnectionGroup.COORDINATION)
    _check(answer.error_code)
    found: dict[int, OffsetAndMetadata] = {}
    for _topic, offsets in answer.topics:
        for partition, offset, metadata, code in offsets:
            _check(code)
            if offset >= 0:
                found[partition] = OffsetAndMetadata(offset, metadata)
    return found


async def _log_offsets(
    client: AIOKafkaClient, topic: str, partitions: Collection[int], *, at: int, isolation: int
) -> Mapping[int, int]:
    while True:
        try:
            return await _ask_leaders(client, topic, partitions, at=at, isolation=isolation)
        except KafkaError as error:
            if not error.retriable:
                raise
        await client.force_metadata_update()  # another broker may lead by now
        await asyncio.sleep(RETRY_SECONDS)


async def _ask_leaders(
    client: AIOKafkaClient, topic: str, partitions: Collection[int], *, at: int, isolation: int
) -> Mapping[int, int]:
    led: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for partition in partitions:
        leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
        if leader is None or leader < 0:
            raise LeaderNotAvailableError(f"{topic}/{partition} has no leader")
        led[leader].append((partition, at))
    found: dict[int, int] = {}
    for node, wanted in led.items():
        answer = await client.send(node, OffsetRequest(-1, isolation, [(topic, wanted)]))
        for _topic, offsets in answer.topics:
            for partition, code, _timestamp, offset in offsets:
                _check(code)
                found[partition] = offset
    return found


def _check_connected(client: AIOKafkaClient) -> None:
    if client.get_random_node() is None:
        raise NodeNotReadyError("Kafka has not been reached yet")


def _check(code: int) -> None:
    error = for_code(code)
    if error is not NoError:
        raise error(error.__name__)
