"""Publishes messages again, no faster than asked, and not more at once than can be told of."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from messaging.outbox_payload import OutboxMessage

LARGEST_CHUNK = 500
_CHUNKS_PER_SECOND = 4

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Queued:
    """A message, and its place in the chunk."""

    number: int
    message: OutboxMessage
    timestamp_ms: int | None


class PacedPublisher:
    """Publishes to one topic, chunk by chunk; a chunk is done when all in-sync replicas have it."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, *, partitions: int, rate: float | None) -> None:
        """Call it in the running loop. `rate` is how many messages a second at most; None for no bound."""
        self._producer = producer
        self._topic = topic
        self._partitions = partitions
        self._rate = rate
        self._time = asyncio.get_running_loop().time
        self._may_go_on_at = self._time()

    @property
    def chunk(self) -> int:
        """How many messages to publish at once."""
        if self._rate is None:
            return LARGEST_CHUNK
        return max(1, min(LARGEST_CHUNK, int(self._rate / _CHUNKS_PER_SECOND)))

    async def pause(self) -> None:
        """Wait until the rate lets the next chunk through."""
        await asyncio.sleep(max(0.0, self._may_go_on_at - self._time()))

    async def publish(
        self, messages: Sequence[OutboxMessage], *, timestamps: Sequence[int | None] | None = None
    ) -> Sequence[bool]:
        """Publish a chunk, each message with its timestamp (ms; None: now); tell which ones were not too large.

        Raises:
            KafkaError: some of the chunk may be published, or nothing.
        """
        if self._rate is not None:
            self._may_go_on_at = max(self._may_go_on_at, self._time()) + len(messages) / self._rate
        stamps = [None] * len(messages) if timestamps is None else timestamps
        queues: dict[int, deque[_Queued]] = defaultdict(deque)
        for number, (message, stamp) in enumerate(zip(messages, stamps, strict=True)):
            queues[message.partition_hash % self._partitions].append(_Queued(number, message, stamp))
        taken = [False] * len(messages)
        sending = (self._publish_queue(partition, queue, taken) for partition, queue in queues.items())
        for failure in await asyncio.gather(*sending, return_exceptions=True):
            if failure is not None:
                raise failure
        return taken

    async def _publish_queue(self, partition: int, queue: deque[_Queued], taken: list[bool]) -> None:
        """Batch by batch, in order: `send` would refuse what has neither key nor value, and a request may be that."""
        while queue:
            batch = self._producer.create_batch()
            sent: list[int] = []
            while queue and _append(batch, queue[0]):
                sent.append(queue.popleft().number)
            batch.close()
            try:
                await (await self._producer.send_batch(batch, self._topic, partition=partition))
            except MessageSizeTooLargeError:
                continue  # it is alone in its batch: a batch is filled up to far less than a topic takes
            for number in sent:
                taken[number] = True


def _append(batch: Any, queued: _Queued) -> bool:  # noqa: ANN401 - untyped in aiokafka
    message = queued.message
    headers = list(message.headers)
    appended = batch.append(timestamp=queued.timestamp_ms, key=message.key, value=message.value, headers=headers)
    return appended is not None


async def finished(work: Coroutine[Any, Any, Result]) -> Result:
    """Do the work to its end even when Ctrl-C comes meanwhile, and stop then."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
