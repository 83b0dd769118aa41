"""The worker's side of `award_outcomes`: answers sent in the background, best effort."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from domain.awards import Answer
from messaging.award_outcomes import encode_outcomes
from messaging.topics import Topics

SEND_SECONDS = 3
MOST_PENDING = 100
ANSWERS_PER_RECORD = 250

log = structlog.get_logger()


class OutcomePublisher:
    """Sends one record for each batch and reply partition, or a few where the answers are many.

    A lost answer costs its caller a look into Postgres; so nothing here is waited for, retried
    without end, or allowed to hold up a batch.
    """

    def __init__(self, producer: AIOKafkaProducer, topics: Topics) -> None:
        self._producer = producer
        self._topic = topics.award_outcomes
        self._pending: set[asyncio.Task[None]] = set()

    def publish(self, answers: Iterable[Answer]) -> None:
        """Send in the background; drop the answers when too many sends are pending."""
        by_partition: dict[int, list[Answer]] = defaultdict(list)
        for answer in answers:
            by_partition[answer.reply_to.partition].append(answer)
        parts = (
            (partition, group[first : first + ANSWERS_PER_RECORD])
            for partition, group in by_partition.items()
            for first in range(0, len(group), ANSWERS_PER_RECORD)
        )
        for partition, group in parts:
            if len(self._pending) >= MOST_PENDING:
                log.warning("outcomes.dropped", answers=len(group), reason="too many pending")
                continue
            task = asyncio.create_task(self._send(partition, encode_outcomes(group)))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)

    async def close(self) -> None:
        """Wait for the sends under way; each has its own deadline."""
        await asyncio.gather(*self._pending, return_exceptions=True)

    async def _send(self, partition: int, value: bytes) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                known = await self._producer.partitions_for(self._topic)
                if partition not in known:
                    log.warning("outcomes.no_such_partition", partition=partition)
                    return
                await self._producer.send_and_wait(self._topic, value, partition=partition)
        except (KafkaError, TimeoutError) as error:
            log.warning("outcomes.not_sent", partition=partition, error=repr(error))
