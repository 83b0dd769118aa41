"""What the brake does to the consumer: batches go back, nothing is read until it is time to probe."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import IllegalStateError
from aiokafka.structs import TopicPartition

from award_worker.brake import Brake
from award_worker.metrics import WorkerMetrics
from domain.errors import StorageError

LOOK_SECONDS = 1.0

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
        self._consumer = consumer
        self._metrics.brake_holds.inc()
        log.warning("brake.holds", requests=len(records))

    async def run(self) -> None:
        """Have the consumer go on, when it is time to probe or operators say so."""
        while True:
            if self._brake.is_on:
                await self._heed_operators()
            self._metrics.brake_is_on.set(self._brake.is_on)
            if self._consumer is not None and self._brake.may_probe:
                self._consumer.resume(*self._consumer.paused())
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
