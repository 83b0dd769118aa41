"""Outbox -> Kafka transaction. Every worker has a relay; one of them is at work, the leader.

The lock in Postgres says who may try; the transactional id in Kafka makes sure. The order of a
take-over is fixed: lock, fence, nonce, watermark, mirror, work. Any other order repeats events.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import structlog

from award_worker.metrics import WorkerMetrics
from domain.errors import StorageUnavailableError
from messaging.event_log import EventLogLostError
from messaging.outbox_payload import OutboxMessage, unpack_messages
from storage.outbox import ClaimedRow, OutboxSession

MESSAGES_PER_TRANSACTION = 5000
PAUSE_SECONDS = 0.02
IDLE_SECONDS = 1.0
PING_SECONDS = 1.0
LOCK_RETRY_SECONDS = 1.0
REFUSAL_RETRY_SECONDS = 5.0
LOUD_AFTER_SECONDS = 60.0
FIRST_BACKOFF_SECONDS = 0.2
LONGEST_BACKOFF_SECONDS = 5.0

log = structlog.get_logger()


class Publisher(Protocol):
    """One life of the transactional producer; `messaging.event_log.EventLog`."""

    async def start(self) -> None:
        """Fence every earlier one."""
        ...

    async def read_watermark(self) -> int | None:
        """Return what Kafka holds as published; None for nothing."""
        ...

    async def publish(self, messages: Iterable[OutboxMessage], *, upto: int) -> None:
        """Publish all, and move the watermark, or nothing."""
        ...

    async def close(self) -> None:
        """Give it up."""
        ...


class WatermarkBelowMirrorError(Exception):
    """Kafka knows of less than Postgres saw published, and claimed rows are still there.

    Kafka has lost offsets, or is another cluster. What is claimed may or may not be out: only an
    operator can tell. See the runbook.
    """

    def __init__(self, *, watermark: int | None, mirror: int, highest_claim: int) -> None:
        super().__init__(f"Kafka's watermark is {watermark}, the mirror {mirror}, claims go up to {highest_claim}")


class Relay:
    """Runs until cancelled; whatever fails, it begins anew from what Kafka and Postgres hold."""

    def __init__(
        self,
        *,
        open_outbox: Callable[[], AbstractAsyncContextManager[OutboxSession]],
        create_publisher: Callable[[], Publisher],
        metrics: WorkerMetrics,
    ) -> None:
        self._open_outbox = open_outbox
        self._create_publisher = create_publisher
        self._metrics = metrics
        self._refusing_since: float | None = None

    @property
    def is_loudly_refusing(self) -> bool:
        """Whether the watermark has been below the mirror for a minute: an operator is needed."""
        since = self._refusing_since
        return since is not None and asyncio.get_running_loop().time() - since > LOUD_AFTER_SECONDS

    async def run(self) -> None:
        """Lead whenever nobody else does."""
        backoff = FIRST_BACKOFF_SECONDS
        while True:
            try:
                async with self._open_outbox() as outbox:
                    await _wait_for_lock(outbox)
                    backoff = FIRST_BACKOFF_SECONDS
                    await self._lead(outbox)
            except WatermarkBelowMirrorError as error:
                self._note_refusal(error)
                backoff = REFUSAL_RETRY_SECONDS
            except (EventLogLostError, StorageUnavailableError) as error:
                self._metrics.relay_failures.inc()
                log.warning("relay.restarts", error=str(error), pause_seconds=backoff)
            finally:
                self._metrics.relay_is_leader.set(0)
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, LONGEST_BACKOFF_SECONDS)

    async def _lead(self, outbox: OutboxSession) -> None:
        """Work until something fails; the session is pinged meanwhile."""
        await outbox.listen()
        work = asyncio.create_task(self._work(outbox))
        ping = asyncio.create_task(self._ping(outbox))
        try:
            await asyncio.wait({work, ping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, ping):
                task.cancel()
            results = await asyncio.gather(work, ping, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _ping(self, outbox: OutboxSession) -> None:
        """Keep the session alive; a stopped process no longer does, and loses the lock."""
        while True:
            backlog = await outbox.backlog()
            self._metrics.outbox_batches.set(backlog.batches)
            self._metrics.outbox_oldest_seconds.set(backlog.oldest_seconds)
            await asyncio.sleep(PING_SECONDS)

    async def _work(self, outbox: OutboxSession) -> None:
        async with self._publisher() as publisher:
            watermark = await self._take_over(outbox, publisher)
            self._metrics.relay_is_leader.set(1)
            log.info("relay.leads", watermark=watermark)
            while True:
                rows = await outbox.claim(watermark, most_messages=MESSAGES_PER_TRANSACTION)
                if not rows:
                    await outbox.wait_for_rows(IDLE_SECONDS)
                    continue
                await self._publish(publisher, rows)
                watermark = rows[-1].emit_seq
                await outbox.settle(watermark)
                await asyncio.sleep(PAUSE_SECONDS)

    @asynccontextmanager
    async def _publisher(self) -> AsyncIterator[Publisher]:
        publisher = self._create_publisher()
        try:
            yield publisher
        finally:
            await publisher.close()

    async def _take_over(self, outbox: OutboxSession, publisher: Publisher) -> int:
        """Fence the one before, and return the watermark to go on from."""
        await publisher.start()
        watermark = await publisher.read_watermark()
        mirror = await outbox.mirror()
        if watermark is None or watermark < mirror:
            highest_claim = await outbox.highest_claim()
            if highest_claim > mirror:
                raise WatermarkBelowMirrorError(watermark=watermark, mirror=mirror, highest_claim=highest_claim)
            if mirror:
                log.warning("relay.watermark_restored", watermark=watermark, mirror=mirror)
            # Before anything is claimed Kafka must hold the number to compare with.
            await publisher.publish([], upto=mirror)
            watermark = mirror
        self._refusing_since = None
        self._metrics.relay_is_refusing.set(0)
        await outbox.raise_numbers(watermark)
        await outbox.settle(watermark)
        return watermark

    async def _publish(self, publisher: Publisher, rows: Sequence[ClaimedRow]) -> None:
        messages = (message for row in rows for message in unpack_messages(row.payload))
        with self._metrics.relay_transaction_seconds.time():
            await publisher.publish(messages, upto=rows[-1].emit_seq)
        self._metrics.relay_messages.inc(sum(row.message_count for row in rows))

    def _note_refusal(self, error: WatermarkBelowMirrorError) -> None:
        if self._refusing_since is None:
            self._refusing_since = asyncio.get_running_loop().time()
        self._metrics.relay_is_refusing.set(1)
        level = log.error if self.is_loudly_refusing else log.warning
        level("relay.refuses", error=str(error))


async def _wait_for_lock(outbox: OutboxSession) -> None:
    """Ask each second: that is also what keeps the waiting session alive."""
    while not await outbox.try_lock():  # noqa: ASYNC110 - nobody tells when a lock is free
        await asyncio.sleep(LOCK_RETRY_SECONDS)
