"""Commits the offsets of what was done, beside the work: the next batch does not wait for it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

import structlog
from aiokafka import ConsumerRecord
from aiokafka.structs import TopicPartition

from award_worker.metrics import WorkerMetrics

COMMIT_SECONDS = 10
SETTLE_SECONDS = 3

Commit: TypeAlias = Callable[[Mapping[TopicPartition, int]], Awaitable[None]]

log = structlog.get_logger()


class OffsetCommits:
    """One commit is under way at a time; what is done meanwhile goes with the next. A crash costs a redelivery."""

    def __init__(self, commit: Commit, metrics: WorkerMetrics) -> None:
        self._commit = commit
        self._metrics = metrics
        self._due: dict[TopicPartition, int] = {}
        self._under_way: asyncio.Task[None] | None = None

    def note(self, records: Sequence[ConsumerRecord]) -> None:
        """Have it committed that the records of one topic are done.

        By name: a bare commit takes what was fetched for done.
        """
        ends = {record.partition: record.offset + 1 for record in records}  # in order: the last of each counts
        for number, end in ends.items():
            partition = TopicPartition(records[0].topic, number)
            self._due[partition] = max(self._due.get(partition, 0), end)
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.create_task(self._work_off())

    async def settled(self) -> None:
        """Return when nothing is left to commit, after 3 s at the latest."""
        if self._under_way is not None:
            await asyncio.wait([self._under_way], timeout=SETTLE_SECONDS)

    async def _work_off(self) -> None:
        while self._due:
            offsets, self._due = self._due, {}
            try:
                async with asyncio.timeout(COMMIT_SECONDS):
                    await self._commit(offsets)
            except Exception as error:  # noqa: BLE001 - whatever it was, the next commit covers it
                self._metrics.commit_failures.inc()
                log.warning("offsets.not_committed", error=repr(error), redelivery="harmless")
