"""When events become visible to a read_committed reader, without reading each of them meanwhile.

Reading half a million events would take a tenth of the machine away from what is measured. So the last stable offsets
are watched, which is how far such a reader may read; what is there is read and counted afterwards.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import perf_counter

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from bench.errors import BenchError
from bench.partitions import partitions_of
from messaging.clients import create_reader
from messaging.settings import KafkaSettings
from messaging.topics import topics_of

LOOK_SECONDS = 0.03
STILL_SECONDS = 1.0


class Visibility:
    """Events on `badge_awarded` from a moment on."""

    def __init__(self, reader: AIOKafkaConsumer, partitions: list[TopicPartition], start: int) -> None:
        self._reader = reader
        self._partitions = partitions
        self._start = start
        self._counted = 0

    async def when_visible(self, events: int, *, seconds: float, at_rest: Callable[[], None]) -> float:
        """Return when the last of so many events became visible, by `perf_counter`.

        `at_rest` is called when nothing moves any more, before events are read and counted.

        Raises:
            BenchError: not within so many seconds, or there are more than there should be.
        """
        try:
            async with asyncio.timeout(seconds):
                while True:
                    moment = await self._when_still(events)
                    at_rest()
                    await self._count()
                    if self._counted >= events:
                        break
        except TimeoutError as error:
            raise BenchError(f"{self._counted} of {events} events were visible after {seconds:.0f} s") from error
        if self._counted > events:
            raise BenchError(f"{self._counted} events became visible, for {events} awards")
        return moment

    async def _when_still(self, events: int) -> float:
        """Return when the offsets last moved, once they have stood still, far enough for so many events."""
        last, moved_at = -1, perf_counter()
        while True:
            now = sum((await self._stable_offsets()).values())
            if now != last:
                last, moved_at = now, perf_counter()
            elif now - self._start >= events and perf_counter() - moved_at > STILL_SECONDS:
                return moved_at
            await asyncio.sleep(LOOK_SECONDS)

    async def _count(self) -> None:
        """Read what has become visible since the last time."""
        ends = await self._stable_offsets()
        self._reader.resume(*self._partitions)
        while [at for at in self._partitions if await self._reader.position(at) < ends[at]]:
            fetched = await self._reader.getmany(timeout_ms=200)
            self._counted += sum(len(records) for records in fetched.values())
        self._reader.pause(*self._partitions)

    async def _stable_offsets(self) -> dict[TopicPartition, int]:
        offsets: dict[TopicPartition, int] = await self._reader.end_offsets(self._partitions)
        return offsets


@asynccontextmanager
async def watching(kafka: KafkaSettings) -> AsyncIterator[Visibility]:
    """Lend a watch that counts from now on."""
    topic = topics_of(kafka).badge_awarded
    reader = create_reader(kafka, fetch_max_wait_ms=100)
    await reader.start()
    try:
        partitions = await partitions_of(reader, topic)
        ends = await reader.end_offsets(partitions)
        reader.assign(partitions)
        for partition in partitions:
            reader.seek(partition, ends[partition])
        # Nothing is fetched before it is counted.
        reader.pause(*partitions)
        yield Visibility(reader, partitions, sum(ends.values()))
    finally:
        await reader.stop()
