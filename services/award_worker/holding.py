"""What the brake does to the consumer: batches go back, nothing is read until it is time to probe."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import TopicPartition

from award_worker.brake import Brake
from award_worker.metrics import WorkerMetrics
from domain.errors import StorageError

LOOK_SECONDS = 1.0
KAFKA_SECONDS = 5.0
OVERRUN_SECONDS = 60.0
"""For so long everything is decided when Kafka is about to delete what is held."""

log = structlog.get_logger()


class Holding:
    """Pauses the consumer while the brake is on; it stays in its group, and keeps its partitions."""

    def __init__(
        self, *, brake: Brake, released_seconds: Callable[[], Awaitable[float]], metrics: WorkerMetrics
    ) -> None:
        """`released_seconds` tells for how long operators want the brake off, from now; 0 for not."""
        self._brake = brake
        self._released_seconds = released_seconds
        self._metrics = metrics
        self._consumer: AIOKafkaConsumer | None = None
        self._held: dict[TopicPartition, int] = {}

    def hold(self, consumer: AIOKafkaConsumer, records: Sequence[ConsumerRecord]) -> None:
        """Give the batch back: it is read again when the consumer goes on, here or in another worker."""
        firsts: dict[TopicPartition, int] = {}
        for record in records:
            partition = TopicPartition(record.topic, record.partition)
            firsts[partition] = min(firsts.get(partition, record.offset), record.offset)
        for partition, offset in firsts.items():
            with suppress(IllegalStateError):  # it is another worker's by now
                consumer.seek(partition, offset)
        consumer.pause(*consumer.assignment())
        self._consumer, self._held = consumer, firsts
        self._metrics.brake_holds.inc()
        log.warning("brake.holds", requests=len(records))

    async def run(self) -> None:
        """Have the consumer go on, when it is time to probe, operators say so, or Kafka would delete what is held."""
        while True:
            if self._brake.is_on:
                await self._heed_operators()
                await self._heed_retention()
            self._metrics.brake_is_on.set(self._brake.is_on)
            if self._consumer is not None and self._brake.may_probe:
                self._consumer.resume(*self._consumer.paused())
                self._consumer = None
            await asyncio.sleep(LOOK_SECONDS)

    async def _heed_operators(self) -> None:
        try:
            seconds = await self._released_seconds()
        except StorageError as error:
            log.warning("brake.operators_unheard", error=str(error))
            return
        if seconds > 0:
            log.warning("brake.released", seconds=seconds)
            self._brake.release(seconds)

    async def _heed_retention(self) -> None:
        """The topic is bounded by size: good requests behind the bad ones must not be deleted unread."""
        if self._consumer is None or not self._brake.is_on:
            return
        try:
            async with asyncio.timeout(KAFKA_SECONDS):
                firsts = await self._consumer.beginning_offsets(self._held)
                ends = await self._consumer.end_offsets(self._held)
        except (KafkaError, TimeoutError) as error:
            log.warning("brake.retention_unknown", error=repr(error))
            return
        if any(is_running_out(held, first=firsts[tp], end=ends[tp]) for tp, held in self._held.items()):
            log.error("brake.overrun", released_seconds=OVERRUN_SECONDS)
            self._brake.release(OVERRUN_SECONDS)


def is_running_out(held: int, *, first: int, end: int) -> bool:
    """Whether Kafka has begun to delete, and what is held is in the oldest tenth of what is left."""
    return first > 0 and (held - first) * 10 < end - first
