"""Notices that the topic of requests was deleted and made anew: an offset of the old one would skip records of the new.

aiokafka knows a topic by its name, which stays the same. So the topic's id is committed beside each offset. A partition
whose offset has another id is read from its beginning, and a process that meets another id than the one it began with
ends: nothing of what it holds is true of the new topic.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import NoReturn
from uuid import UUID

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from messaging.group_offsets import commits_of, topic_id_of
from messaging.topics import Topics

WATCH_SECONDS = 10
KAFKA_SECONDS = 30
RETRY_SECONDS = 0.1

log = structlog.get_logger()


class SameTopic(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Stands between the consumer and its group."""

    def __init__(self, *, producer: AIOKafkaProducer, topics: Topics, leave: Callable[[], NoReturn]) -> None:
        """`producer` lends its connection to Kafka; `leave` ends the process at once."""
        self._producer = producer
        self._topics = topics
        self._leave = leave
        self._consumer: Callable[[], AIOKafkaConsumer | None] = lambda: None
        self._topic_id: UUID | None = None

    def guard(self, consumer: Callable[[], AIOKafkaConsumer | None]) -> None:
        """Say whose partitions these are; the consumer itself is made later."""
        self._consumer = consumer

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit with the id of the topic that was read.

        Raises:
            KafkaError: not committed.
        """
        consumer = self._consumer()
        if consumer is not None:
            note = "" if self._topic_id is None else str(self._topic_id)
            await consumer.commit({partition: (offset, note) for partition, offset in offsets.items()})

    async def watch(self) -> None:
        """Look every 10 s whether it is still the same topic."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(KAFKA_SECONDS):
                    found = await topic_id_of(self._producer.client, self._topics.award_requests)
                if found is not None:
                    self._meet(found)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Let nothing be read before it is clear where each partition begins.

        aiokafka would only log what fails here, and read on.
        """
        consumer = self._consumer()
        if consumer is None or not assigned:
            return
        try:
            consumer.pause(*assigned)
            async with asyncio.timeout(KAFKA_SECONDS):
                for partition in await self._of_another_topic(assigned):
                    log.warning("topic.read_from_its_beginning", partition=partition.partition)
                    consumer.seek(partition, 0)
            consumer.resume(*assigned)
        except Exception:
            log.exception("assignment.failed")
            self._leave()

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Nothing to do: what was done is committed as it is done."""

    async def _of_another_topic(self, assigned: Collection[TopicPartition]) -> Collection[TopicPartition]:
        found = await self._found()
        self._meet(found)
        topics, numbers = self._topics, [partition.partition for partition in assigned]
        commits = await commits_of(self._producer.client, topics.worker_group, topics.award_requests, numbers)
        strange = {number for number, commit in commits.items() if commit.metadata not in ("", str(found))}
        return [partition for partition in assigned if partition.partition in strange]

    async def _found(self) -> UUID:
        """The topic's id. A topic just made may be unknown to some brokers: retries without end."""
        while True:
            with suppress(KafkaError):
                found = await topic_id_of(self._producer.client, self._topics.award_requests)
                if found is not None:
                    return found
            await asyncio.sleep(RETRY_SECONDS)

    def _meet(self, found: UUID) -> None:
        if self._topic_id is None:
            self._topic_id = found
        elif self._topic_id != found:
            log.error("topic.made_anew", topic=self._topics.award_requests, known=str(self._topic_id), met=str(found))
            self._leave()
