"""Outbox -> Kafka transaction. Every worker has a relay; one of them is at work, the leader.

The lock in Postgres says who may try; the transactional id in Kafka makes sure. The order of a
take-over is fixed: lock, fence, nonce, watermark, mirror, work. Any other order repeats events.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from time import monotonic
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


class WatermarkMismatchError(Exception):
    """What Kafka holds as published cannot be: below what Postgres saw published, or above all that was ever sent.

    Kafka has lost offsets or is another cluster, or the database is an older one. What of the outbox
    is out, only an operator can tell. See the runbook.
    """

    def __init__(self, *, watermark: int | None, mirror: int, highest: int) -> None:
        super().__init__(f"Kafka's watermark is {watermark}, the mirror {mirror}, the highest number {highest}")


@dataclass(slots=True, kw_only=True)
class _Trouble:
    """Since when (the loop's clock, in seconds), and where the mirror was when it was first looked at."""

    since: float
    mirror: int | None = None


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
        self._trouble: _Trouble | None = None
        self._backoff = FIRST_BACKOFF_SECONDS
        self._turn = asyncio.Lock()

    @property
    def is_in_lasting_trouble(self) -> bool:
        """Whether this relay has failed or refused for a minute, and no other has done the work."""
        trouble = self._trouble
        return trouble is not None and asyncio.get_running_loop().time() - trouble.since > LOUD_AFTER_SECONDS

    async def run(self) -> None:
        """Lead whenever nobody else does."""
        while True:
            try:
                async with self._open_outbox() as outbox:
                    await self._wait_for_lock(outbox)
                    await self._lead(outbox)
            except WatermarkMismatchError as error:
                self._note_trouble(is_refusal=True)
                level = log.error if self.is_in_lasting_trouble else log.warning
                level("relay.refuses", error=str(error))
                self._backoff = REFUSAL_RETRY_SECONDS
            except (EventLogLostError, StorageUnavailableError) as error:
                self._note_trouble(is_refusal=False)
                self._metrics.relay_failures.inc()
                log.warning("relay.restarts", error=str(error), pause_seconds=self._backoff)
            finally:
                self._metrics.relay_is_leader.set(0)
            await asyncio.sleep(self._backoff)
            self._backoff = min(self._backoff * 2, LONGEST_BACKOFF_SECONDS)

    async def rest(self, seconds: float) -> None:
        """Return when the transaction under way has ended, or after `seconds`; no other is begun."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._turn.acquire()

    async def _wait_for_lock(self, outbox: OutboxSession) -> None:
        """Ask each second: that is also what keeps the waiting session alive."""
        while not await outbox.try_lock():
            await self._look(outbox)
            await asyncio.sleep(LOCK_RETRY_SECONDS)

    async def _look(self, outbox: OutboxSession) -> None:
        """Measure the outbox; trouble is over when somebody has moved the mirror or left nothing to do."""
        backlog = await outbox.backlog()
        self._metrics.note_backlog(backlog)
        if self._trouble is None:
            return
        mirror = await outbox.mirror()
        if self._trouble.mirror is None:
            self._trouble.mirror = mirror
        if mirror != self._trouble.mirror or not backlog.batches:
            self._note_success()

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
            await self._look(outbox)
            await asyncio.sleep(PING_SECONDS)

    async def _work(self, outbox: OutboxSession) -> None:
        async with self._publisher() as publisher:
            async with self._turn:
                watermark = await self._take_over(outbox, publisher)
            self._metrics.relay_is_leader.set(1)
            log.info("relay.leads", watermark=watermark)
            while True:
                async with self._turn:
                    rows = await outbox.claim(watermark, most_messages=MESSAGES_PER_TRANSACTION)
                    if rows:
                        await self._publish(publisher, rows)
                        watermark = rows[-1].emit_seq
                        await outbox.settle(watermark)
                self._note_success()
                if rows:
                    await asyncio.sleep(PAUSE_SECONDS)
                else:
                    await outbox.wait_for_rows(IDLE_SECONDS)

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
        highest = await outbox.highest_number()
        if watermark is not None and watermark > highest:
            raise WatermarkMismatchError(watermark=watermark, mirror=mirror, highest=highest)
        if watermark is None or watermark < mirror:
            if await outbox.highest_claim() > mirror:
                raise WatermarkMismatchError(watermark=watermark, mirror=mirror, highest=highest)
            if mirror:
                log.warning("relay.watermark_restored", watermark=watermark, mirror=mirror)
            # Before anything is claimed Kafka must hold the number to compare with.
            await publisher.publish([], upto=mirror)
            watermark = mirror
        await outbox.settle(watermark)
        return watermark

    async def _publish(self, publisher: Publisher, rows: Sequence[ClaimedRow]) -> None:
        messages = (message for row in rows for message in unpack_messages(row.payload))
        started = monotonic()
        await publisher.publish(messages, upto=rows[-1].emit_seq)
        self._metrics.count_published(rows, seconds=monotonic() - started)

    def _note_trouble(self, *, is_refusal: bool) -> None:
        if self._trouble is None:
            self._trouble = _Trouble(since=asyncio.get_running_loop().time())
        self._metrics.relay_is_refusing.set(is_refusal)

    def _note_success(self) -> None:
        self._trouble = None
        self._backoff = FIRST_BACKOFF_SECONDS
        self._metrics.relay_is_refusing.set(0)
