"""Notices that the topic of requests was deleted and made anew: an offset of the old one would skip records of the new.

aiokafka knows a topic by its name, which stays the same. So the topic's id is committed beside each offset. A partition
whose offset has another id is read from its beginning, and a process that meets another id than the one it began with
ends: nothing of what it holds is true of the new topic.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from typing import NoReturn
from uuid import UUID

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import TopicPartition

from messaging.group_offsets import commits_of, is_of_topic, topic_id_of
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
        self._settled: Callable[[], Awaitable[None]] | None = None
        self._topic_id: UUID | None = None
        self._unclear: Collection[TopicPartition] = ()
        self._clearing: asyncio.Task[None] | None = None

    def guard(self, consumer: Callable[[], AIOKafkaConsumer | None], settled: Callable[[], Awaitable[None]]) -> None:
        """Say whose partitions these are (it is made later), and how to wait for the commits under way."""
        self._consumer = consumer
        self._settled = settled

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit with the id of the topic that was read. What another worker has by now it decides once more.

        Raises:
            KafkaError: not committed.
        """
        consumer = self._consumer()
        if consumer is None or self._topic_id is None:
            return
        ours = consumer.assignment() - set(self._unclear)
        commits = {place: (offset, str(self._topic_id)) for place, offset in offsets.items() if place in ours}
        if commits:
            await consumer.commit(commits)

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

        Beside the consumer, which sends no heartbeat while this runs.
        """
        consumer = self._consumer()
        if consumer is not None and assigned:
            consumer.pause(*assigned)
            self._unclear = assigned
            self._clearing = asyncio.create_task(self._clear(consumer, assigned))

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002 - aiokafka's
        """Have committed what was done, or the next worker does it again."""
        if self._clearing is not None:
            self._clearing.cancel()
        if self._settled is not None:
            await self._settled()

    async def _clear(self, consumer: AIOKafkaConsumer, assigned: Collection[TopicPartition]) -> None:
        try:
            async with asyncio.timeout(KAFKA_SECONDS):
                strange = await self._of_another_topic(assigned)
            for place in strange:
                log.warning("topic.read_from_its_beginning", partition=place.partition)
                consumer.seek(place, 0)
            self._unclear = ()
            consumer.resume(*assigned)
        except IllegalStateError:
            log.info("assignment.superseded")
        except Exception:
            log.exception("assignment.failed")
            self._leave()

    async def _of_another_topic(self, assigned: Collection[TopicPartition]) -> Collection[TopicPartition]:
        found = await self._found()
        self._meet(found)
        topics, numbers = self._topics, [place.partition for place in assigned]
        commits = await commits_of(self._producer.client, topics.worker_group, topics.award_requests, numbers)
        strange = {number for number, commit in commits.items() if not is_of_topic(commit, found)}
        return [place for place in assigned if place.partition in strange]

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
