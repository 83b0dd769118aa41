"""The relay's side of Kafka: transactions that publish messages and move the watermark at once.

One `EventLog` is one life of one transactional producer. It is never mended: whenever it is in
doubt it is discarded, and a new one reads from Kafka what really happened. The failures that these
rules prevent are listed in `docs/reliability.md`.
"""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalOperation, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from messaging.clients import drop_producer
from messaging.group_offsets import committed_offsets
from messaging.outbox_payload import OutboxMessage
from messaging.settings import KafkaSettings
from messaging.topics import NONCE_PARTITION, REPLY_BYTES, WATERMARK_PARTITION, topics_of

START_SECONDS = 30
WATERMARK_SECONDS = 15
TRANSACTION_SECONDS = 8
RETRY_SECONDS = 0.05

TRANSACTION_TIMEOUT_MS = 300_000
"""Recovery is by fencing at take-over, not by this timeout: a short one meets KAFKA-20734."""

_NONCE_BITS = 62


class EventLogLostError(Exception):
    """The producer is in doubt or fenced. Discard it; what was published, Kafka knows."""


class EventLog:
    """Publishes as the one relay of the installation; every other one is fenced by `start`."""

    def __init__(self, kafka: KafkaSettings) -> None:
        """Must be called in the running loop. Nothing connects yet."""
        topics = topics_of(kafka)
        self._marker = topics.relay_marker
        self._group = topics.relay_group
        self._producer = AIOKafkaProducer(
            **kafka.connection(),
            transactional_id=topics.relay_transactional_id,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            linger_ms=0,
            retry_backoff_ms=20,
            request_timeout_ms=5000,
            max_batch_size=REPLY_BYTES // 8,
            max_request_size=REPLY_BYTES,
        )
        self._doubt: str | None = None
        self._watch_requests()

    async def start(self) -> None:
        """Fence every earlier producer of this id, and wait until its transaction has ended.

        Raises:
            EventLogLostError: not within 30 s, or refused.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._producer.start()
        # aiokafka asserts that a broker is known: a cluster that has just come back may tell of none.
        except (KafkaError, TimeoutError, AssertionError) as error:
            raise EventLogLostError(f"the producer did not start: {error!r}") from error
        self._doubt = None  # requests that found no broker while it started left nothing open

    async def read_watermark(self) -> int | None:
        """Return the `emit_seq` up to which messages are published; None when Kafka has none.

        Commits a random nonce first and believes only an answer that shows it: right after a
        broker's restart an answer may be older than the log, without any error.

        Raises:
            EventLogLostError: no such answer within 15 s.
        """
        nonce = secrets.randbits(_NONCE_BITS)
        try:
            async with asyncio.timeout(WATERMARK_SECONDS):
                await self._commit([], {NONCE_PARTITION: nonce})
                while True:
                    offsets = await self._offsets()
                    if offsets.get(NONCE_PARTITION) == nonce:
                        break
                    await asyncio.sleep(RETRY_SECONDS)
        except (KafkaError, IllegalOperation, TimeoutError) as error:
            raise EventLogLostError(f"the watermark could not be read: {error!r}") from error
        self._refuse_doubt()
        return offsets.get(WATERMARK_PARTITION)

    async def publish(self, messages: Iterable[OutboxMessage], *, upto: int) -> None:
        """Publish `messages` and set the watermark to `upto`: all of it or nothing.

        Raises:
            EventLogLostError: it may have happened or not; only a new `EventLog` can tell.
        """
        try:
            async with asyncio.timeout(TRANSACTION_SECONDS):
                await self._commit(messages, {WATERMARK_PARTITION: upto})
        except (KafkaError, IllegalOperation, TimeoutError, ExceptionGroup) as error:
            raise EventLogLostError(f"the transaction is in doubt: {error!r}") from error
        self._refuse_doubt()

    async def close(self) -> None:
        """Drop the producer as it is. Nothing is aborted: the next `start` fences and decides."""
        await drop_producer(self._producer)

    async def _commit(self, messages: Iterable[OutboxMessage], offsets: Mapping[int, int]) -> None:
        await self._producer.begin_transaction()
        await self._send(messages)
        await self._producer.send_offsets_to_transaction(
            {
                TopicPartition(self._marker, partition): OffsetAndMetadata(offset, "")
                for partition, offset in offsets.items()
            },
            self._group,
        )
        await self._producer.commit_transaction()

    async def _send(self, messages: Iterable[OutboxMessage]) -> None:
        """Send all; every future is awaited, for a commit succeeds even when a send has failed."""
        counts: dict[str, int] = {}
        queues: dict[TopicPartition, list[OutboxMessage]] = defaultdict(list)
        for message in messages:
            if message.topic not in counts:
                counts[message.topic] = len(await self._producer.partitions_for(message.topic))
            partition = message.partition_hash % counts[message.topic]
            queues[TopicPartition(message.topic, partition)].append(message)
        async with asyncio.TaskGroup() as group:
            for target, queue in queues.items():
                group.create_task(self._send_partition(target, queue))

    async def _send_partition(self, target: TopicPartition, messages: Sequence[OutboxMessage]) -> None:
        batch = self._producer.create_batch()
        for message in messages:
            if not _append(batch, message):
                await self._send_batch(batch, target)
                batch = self._producer.create_batch()
                _append(batch, message)  # the first of a batch always fits
        await self._send_batch(batch, target)

    async def _send_batch(self, batch: Any, target: TopicPartition) -> None:  # noqa: ANN401 - untyped in aiokafka
        batch.close()
        sent = await self._producer.send_batch(batch, target.topic, partition=target.partition)
        await sent

    async def _offsets(self) -> Mapping[int, int]:
        partitions = [WATERMARK_PARTITION, NONCE_PARTITION]
        return await committed_offsets(self._producer.client, self._group, self._marker, partitions)

    def _watch_requests(self) -> None:
        """Note every request of this producer that ended without an answer.

        aiokafka retries such a request by itself, and what the first try did is then unknown.
        """
        client = self._producer.client
        send = client.send

        async def watched(node_id: object, request: object, **options: object) -> object:
            try:
                return await send(node_id, request, **options)
            except KafkaError as error:
                self._doubt = f"{type(request).__name__} had no answer: {error!r}"
                raise

        client.send = watched

    def _refuse_doubt(self) -> None:
        if self._doubt is not None:
            raise EventLogLostError(self._doubt)


def _append(batch: Any, message: OutboxMessage) -> bool:  # noqa: ANN401 - untyped in aiokafka
    appended = batch.append(timestamp=None, key=message.key, value=message.value, headers=list(message.headers))
    return appended is not None
