"""aiokafka clients, set up the way the delivery rules ask."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Literal

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from messaging.group_offsets import open_client
from messaging.outbox_payload import hash_of_key
from messaging.refusals import reasons_told
from messaging.settings import KafkaSettings
from messaging.topics import REPLY_BYTES

STOP_SECONDS = 2
METADATA_PAUSE_SECONDS = 0.1


def check_compiled() -> None:
    """Refuse to run on aiokafka's pure Python records: they are four times slower.

    Raises:
        RuntimeError: aiokafka was installed without its compiled extension.
    """
    if "_crecords" not in DefaultRecordBatchBuilder.__module__:
        raise RuntimeError("aiokafka has no compiled extension here: install its wheel")


def create_producer(kafka: KafkaSettings, *, linger_ms: int = 1, largest: int = REPLY_BYTES) -> AIOKafkaProducer:
    """Make a producer that waits for all replicas. Must be called in the running loop.

    Not idempotent: one failed batch would break the sequence of its partition until a restart
    (aiokafka#1017); the duplicates that may come instead are absorbed by the award's key.
    """
    return AIOKafkaProducer(
        **kafka.connection(),
        acks="all",
        enable_idempotence=False,
        linger_ms=linger_ms,
        partitioner=place_key,
        max_batch_size=128 * 1024,
        max_request_size=largest,
        request_timeout_ms=5000,
    )


def place_key(key: bytes | None, partitions: Sequence[int], available: Sequence[int]) -> int:
    """Place as aiokafka does: its own hash, in Python, takes longer than all else that sending a record does."""
    if key is None:
        return int(DefaultPartitioner()(key, partitions, available))
    return partitions[hash_of_key(key) % len(partitions)]


def create_reader(
    kafka: KafkaSettings,
    *,
    fetch_max_wait_ms: int = 500,
    committed_only: bool = True,
    if_deleted: Literal["latest", "none"] = "latest",
) -> AIOKafkaConsumer:
    """Make a consumer without a group, which sees committed records only, unless told; assign it yourself.

    Where the record it stands before was deleted, it goes on from the end (`latest`), or raises
    `OffsetOutOfRangeError` (`none`): whoever counts what is there must not pass over anything in silence.
    """
    consumer = AIOKafkaConsumer(
        **kafka.connection(),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset=if_deleted,
        isolation_level="read_committed" if committed_only else "read_uncommitted",
        fetch_max_wait_ms=fetch_max_wait_ms,
        request_timeout_ms=5000,
        metadata_max_age_ms=30_000,
    )
    _pace_metadata(consumer._client)  # noqa: SLF001 - no public way
    return consumer


async def cluster_id_of(producer: AIOKafkaProducer) -> str:
    """Return the id that the cluster gave itself when it was made.

    Raises:
        KafkaError: no answer.
    """
    return await _cluster_id(producer.client)


async def cluster_id_at(kafka: KafkaSettings) -> str:
    """Return the id of the cluster that these settings lead to.

    Raises:
        KafkaError: no answer.
    """
    async with open_client(kafka) as client:
        return await _cluster_id(client)


async def start_producer(kafka: KafkaSettings, producer: AIOKafkaProducer) -> None:
    """Connect.

    Raises:
        KafkaError: no broker answers, or none lets us in; the error says why.
    """
    async with reasons_told(kafka):
        await producer.start()


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Stop `producer` within 2 s: its own `stop()` may wait for a broker that is gone."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STOP_SECONDS):
            await producer.stop()
            return
    await drop_producer(producer)


async def drop_producer(producer: AIOKafkaProducer) -> None:
    """Give up `producer` at once: cancel its sender and close its connections."""
    producer._closed = True  # noqa: SLF001 - no public way; keeps its finaliser quiet
    task = producer._sender.sender_task  # noqa: SLF001 - no public way to stop without waiting
    if task is not None:
        task.cancel()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STOP_SECONDS):
            await producer.client.close()


async def _cluster_id(client: AIOKafkaClient) -> str:
    answer = await client.send(client.get_random_node(), MetadataRequest([]))
    return str(answer.cluster_id)


def _pace_metadata(client: AIOKafkaClient) -> None:
    """Leave a pause between two questions for metadata.

    aiokafka leaves none while a topic that it is to read is missing: it takes a whole core, and the broker's time.
    """
    update = client._metadata_update  # noqa: SLF001 - no public way
    asked_at = -METADATA_PAUSE_SECONDS

    async def paced(*arguments: object) -> object:
        nonlocal asked_at
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, asked_at + METADATA_PAUSE_SECONDS - loop.time()))
        try:
            return await update(*arguments)
        finally:
            asked_at = loop.time()

    client._metadata_update = paced  # noqa: SLF001 - no public way
