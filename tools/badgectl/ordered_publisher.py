"""Publishes records fast and strictly in order: within a partition one batch at a time, each until it is taken.

A producer that sends record by record gives up on one and has already sent the next; here nothing
follows a batch before Kafka has acknowledged it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from messaging.outbox_payload import hash_of_key

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0
RECORDS_PER_BATCH = 1000

T = TypeVar("T")

_hash_of_key = lru_cache(maxsize=4096)(hash_of_key)


@dataclass(slots=True, eq=False)
class OutgoingRecord(Generic[T]):
    """A record, and what it is to whoever published it."""

    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    cause: T


@dataclass(slots=True, eq=False)
class _Lane(Generic[T]):
    """What waits for one partition."""

    partition: int
    waiting: deque[OutgoingRecord[T]] = field(default_factory=deque)
    filled: asyncio.Event = field(default_factory=asyncio.Event)


class OrderedPublisher(Generic[T]):
    """Publishes to one topic. Records put in before are in the log before, for each partition."""

    def __init__(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        *,
        partitions: int,
        on_published: Callable[[Sequence[T]], None],
        on_retry: Callable[[KafkaError], None],
    ) -> None:
        """Call it in the running loop. `on_published` gets the causes of records that Kafka has taken."""
        self._producer = producer
        self._topic = topic
        self._on_published = on_published
        self._on_retry = on_retry
        self._lanes = [_Lane[T](partition) for partition in range(partitions)]

    def put(self, record: OutgoingRecord[T]) -> None:
        """Queue a record; the caller bounds how many there are."""
        lane = self._lanes[_hash_of_key(record.key) % len(self._lanes)]
        lane.waiting.append(record)
        lane.filled.set()

    async def run(self) -> None:
        """Publish until cancelled.

        Raises:
            ExceptionGroup: of `KafkaError`, where trying again is no use.
        """
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes:
                group.create_task(self._run_lane(lane))

    async def _run_lane(self, lane: _Lane[T]) -> None:
        while True:
            await lane.filled.wait()
            records = list(lane.waiting)[:RECORDS_PER_BATCH]
            taken = await self._send_patiently(lane.partition, records)
            for _ in range(taken):
                lane.waiting.popleft()
            if not lane.waiting:
                lane.filled.clear()
            self._on_published([record.cause for record in records[:taken]])

    async def _send_patiently(self, partition: int, records: Sequence[OutgoingRecord[T]]) -> int:
        """Send as many of the first records as make a batch; return how many, once Kafka has them."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            batch, size = self._batch(records)
            try:
                await (await self._producer.send_batch(batch, self._topic, partition=partition))
            except KafkaError as error:
                if not (error.retriable or isinstance(error, KafkaTimeoutError)):
                    raise
                self._on_retry(error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            else:
                return size

    def _batch(self, records: Sequence[OutgoingRecord[T]]) -> tuple[Any, int]:
        batch = self._producer.create_batch()
        size = 0
        for record in records:
            if batch.append(timestamp=None, key=record.key, value=record.value, headers=record.headers) is None:
                break  # full; the first of a batch always fits
            size += 1
        batch.close()
        return batch, size
