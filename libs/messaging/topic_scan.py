"""Reads a topic from some time to its end of now, without a group: nothing is committed, nobody is disturbed."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from messaging.clients import create_reader
from messaging.settings import KafkaSettings
from messaging.tolerant_records import read_tolerantly

POLL_MS = 500
STALL_SECONDS = 60.0


class TopicHeldBackError(KafkaError):  # type: ignore[misc]  # untyped in aiokafka
    """What is there could not be read in time: a transaction is open on it, or a broker is away."""


class TopicOvertakenError(KafkaError):  # type: ignore[misc]  # untyped in aiokafka
    """What was still to be read is no longer there: it was deleted meanwhile, or the topic was made anew."""


class TopicScan:
    """The partitions of a topic as a read_committed reader sees them; see `open_scan`."""

    def __init__(
        self, reader: AIOKafkaConsumer, gauge: AIOKafkaConsumer, starts: Mapping[TopicPartition, int], *, stall: float
    ) -> None:
        """`gauge` sees what is not committed too; `stall` is how many seconds may pass without progress."""
        self._reader = reader
        self._gauge = gauge
        self._starts = starts
        self._positions = dict(starts)
        self._ends = dict(starts)
        self._stall = stall

    @property
    def first_offsets(self) -> Mapping[int, int]:
        """Where each partition is read from."""
        return {partition.partition: offset for partition, offset in self._starts.items()}

    @property
    def offsets_read(self) -> int:
        """How many offsets are behind; not each holds a record that can be seen."""
        return sum(self._positions.values()) - sum(self._starts.values())

    @property
    def offsets_to_read(self) -> int:
        """How many offsets there were in all when `records` was last called."""
        return sum(self._ends.values()) - sum(self._starts.values())

    async def records(self) -> AsyncGenerator[Sequence[ConsumerRecord], None]:
        """Yield what was committed below the ends of now, by partition; called again, what has come since.

        The ends are those of all that is written, committed or not: what was committed before this was called
        is seen, even where the mark of its transaction is still on its way to some partition.

        Raises:
            TopicHeldBackError: no progress for too long.
            TopicOvertakenError: records were deleted before they were read.
            KafkaError: no broker.
        """
        self._ends |= await self._gauge.end_offsets(list(self._starts))
        loop = asyncio.get_running_loop()
        moved_at = loop.time()
        while unread := [target for target, end in self._ends.items() if self._positions[target] < end]:
            before = self.offsets_read
            fetched = await self._fetch(unread)
            for target in unread:
                await self._note_position(target)
            for target, records in fetched.items():
                end = self._ends[target]
                yield records if records[-1].offset < end else [record for record in records if record.offset < end]
            if self.offsets_read > before:
                moved_at = loop.time()
            elif loop.time() - moved_at > self._stall:
                raise TopicHeldBackError(self._what_holds_back(unread))

    async def _fetch(self, unread: Collection[TopicPartition]) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
        try:
            fetched: Mapping[TopicPartition, Sequence[ConsumerRecord]] = await self._reader.getmany(
                *unread, timeout_ms=POLL_MS
            )
        except OffsetOutOfRangeError as error:
            lost = ", ".join(
                f"{at.topic}, partition {at.partition} at offset {offset}" for at, offset in _places(error)
            )
            raise TopicOvertakenError(f"records were deleted while they were read: {lost}; begin again") from error
        return fetched

    async def _note_position(self, target: TopicPartition) -> None:
        """What was fetched from behind the end is for the next call."""
        position, end = await self._reader.position(target), self._ends[target]
        if position > end:
            self._reader.seek(target, end)
        self._positions[target] = min(position, end)

    def _what_holds_back(self, unread: Collection[TopicPartition]) -> str:
        target = min(unread)
        return (
            f"{target.topic}, partition {target.partition} cannot be read past offset {self._positions[target]}: "
            "a transaction is open there, or its broker is away"
        )


@asynccontextmanager
async def open_scan(
    kafka: KafkaSettings, topic: str, *, since: datetime | None = None, stall: float = STALL_SECONDS
) -> AsyncIterator[TopicScan]:
    """Lend a reader of every partition, from the first record of `since` or later; from the first of all when None.

    Raises:
        UnknownTopicOrPartitionError: there is no such topic.
        KafkaError: no broker.
    """
    read_tolerantly()
    reader, gauge = create_reader(kafka, if_deleted="none"), create_reader(kafka, committed_only=False)
    try:
        await reader.start()
        await gauge.start()
        starts = await _starts(gauge, topic, since)
        reader.assign(list(starts))
        for target, start in starts.items():
            reader.seek(target, start)
        yield TopicScan(reader, gauge, starts, stall=stall)
    finally:
        await reader.stop()
        await gauge.stop()


async def _starts(gauge: AIOKafkaConsumer, topic: str, since: datetime | None) -> Mapping[TopicPartition, int]:
    numbers = await gauge._client._wait_on_metadata(topic)  # noqa: SLF001 - partitions_for_topic() knows only subscribed topics
    partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
    if since is None:
        starts: Mapping[TopicPartition, int] = await gauge.beginning_offsets(partitions)
        return starts
    since_ms = max(0, int(since.timestamp() * 1000))
    ends = await gauge.end_offsets(partitions)
    found = await gauge.offsets_for_times(dict.fromkeys(partitions, since_ms))
    return {partition: ends[partition] if at is None else at.offset for partition, at in found.items()}


def _places(error: OffsetOutOfRangeError) -> Sequence[tuple[TopicPartition, int]]:
    """What is gone, by partition, as aiokafka tells it."""
    return sorted(error.args[0].items())
