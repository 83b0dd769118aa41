"""Waits for answers on `award_outcomes`, for a gateway or the importer.

The reader assigns itself one partition, without a group: a group loses answers when it rebalances.
Sharing a partition with another reader is harmless; answers to others are passed over.
"""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Iterator

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from domain.awards import ReplyAddress
from domain.errors import DomainError
from messaging.award_outcomes import AwardedAnswer, RejectedAnswer, decode_outcomes
from messaging.clients import create_reader
from messaging.settings import KafkaSettings
from messaging.topics import topics_of

START_SECONDS = 15
RESTART_SECONDS = 0.5
STOP_SECONDS = 2
MOST_WAITING = 5000

log = structlog.get_logger()


class TooManyWaitingError(Exception):
    """As many requests wait for their outcome as may."""


class OutcomeReader:
    """Hands each answer to the future that waits for it."""

    def __init__(self, kafka: KafkaSettings, instance_id: str, *, most_waiting: int = MOST_WAITING) -> None:
        """`instance_id` tells this process from every other one."""
        self._kafka = kafka
        self._topic = topics_of(kafka).award_outcomes
        self._instance_id = instance_id
        self._most_waiting = most_waiting
        self._waiting: dict[str, asyncio.Future[AwardedAnswer | RejectedAnswer]] = {}
        self._partition: int | None = None
        self._ready = asyncio.Event()

    @property
    def is_ready(self) -> bool:
        """Whether every answer from now on will be seen."""
        return self._ready.is_set()

    @property
    def waiting(self) -> int:
        """How many wait for an answer now."""
        return len(self._waiting)

    async def wait_ready(self) -> None:
        """Return once answers are seen; the caller sets the deadline."""
        await self._ready.wait()

    @contextlib.contextmanager
    def expect(self, request_id: str) -> Iterator[tuple[ReplyAddress, asyncio.Future[AwardedAnswer | RejectedAnswer]]]:
        """Register for an answer before the request is published.

        Raises:
            TooManyWaitingError: the bound is reached, or the reader is not ready.
        """
        try:
            yield self.register(request_id)
        finally:
            self.forget(request_id)

    def register(self, request_id: str) -> tuple[ReplyAddress, asyncio.Future[AwardedAnswer | RejectedAnswer]]:
        """Begin to wait for an answer, until `forget`; call it before the request is published.

        Raises:
            TooManyWaitingError: the bound is reached, or the reader has never been ready.
        """
        if self._partition is None or not self.is_ready or len(self._waiting) >= self._most_waiting:
            raise TooManyWaitingError
        future = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = future
        return ReplyAddress(partition=self._partition, request_id=request_id), future

    def forget(self, request_id: str) -> None:
        """Wait no more; nothing when nobody waits."""
        self._waiting.pop(request_id, None)

    async def run(self) -> None:
        """Read until cancelled; after any failure begin anew, unready meanwhile."""
        while True:
            try:
                async with self._consumer() as consumer:
                    self._ready.set()
                    await self._pump(consumer)
            except Exception as error:  # noqa: BLE001 - whatever it was, callers need a reader
                log.warning("outcomes.reader_restarts", error=repr(error))
            finally:
                self._ready.clear()
            await asyncio.sleep(RESTART_SECONDS)

    @contextlib.asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        """Start -> assign -> end offsets -> seek: only then can no answer be missed."""
        consumer = create_reader(self._kafka, fetch_max_wait_ms=500)
        try:
            async with asyncio.timeout(START_SECONDS):
                await consumer.start()
                count = len(await consumer._client._wait_on_metadata(self._topic))  # noqa: SLF001 - partitions_for_topic() knows only subscribed topics
                partition = TopicPartition(self._topic, zlib.crc32(self._instance_id.encode()) % count)
                consumer.assign([partition])
                ends = await consumer.end_offsets([partition])
                consumer.seek(partition, ends[partition])
            self._partition = partition.partition
            yield consumer
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await consumer.stop()

    async def _pump(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            fetched = await consumer.getmany(timeout_ms=1000)
            for records in fetched.values():
                for record in records:
                    self._deliver(record.value)

    def _deliver(self, value: bytes | None) -> None:
        try:
            answers = decode_outcomes(value or b"")
        except (DomainError, KeyError, ValueError) as error:
            log.warning("outcomes.unreadable", error=repr(error))
            return
        for request_id, answer in answers.items():
            future = self._waiting.get(request_id)
            if future is not None and not future.done():
                future.set_result(answer)
