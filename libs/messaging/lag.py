"""How far the workers are behind: what `award_requests` holds that they have not done."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import UUID

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from domain.explanations import RequestsWaiting
from messaging.award_requested import request_key
from messaging.group_offsets import (
    commits_of,
    committed_offsets,
    end_offsets,
    first_offsets,
    is_of_topic,
    partitions_of,
    readable_offsets,
    topic_id_of,
)
from messaging.outbox_payload import hash_of_key
from messaging.topics import WATERMARK_PARTITION, Topics
from messaging.waiting_requests import count_of_key

COUNT_SECONDS = 1.5
"""A count comes beside an answer that somebody waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLag:
    """One partition of `award_requests`, in offsets.

    `committed` is None where the workers have committed nothing; `following` is what they read next. Up to
    `readable` they can read; from there to `end` an open transaction of a producer holds everything back.
    Offsets count a little more than requests: the marker that ends a transaction has one too.
    """

    partition: int
    committed: int | None
    following: int
    readable: int
    end: int

    @property
    def waiting(self) -> int:
        """What is not done, at most."""
        return self.end - self.following

    @property
    def lost(self) -> int:
        """What was deleted before the workers had done it."""
        return 0 if self.committed is None else max(0, self.following - self.committed)

    @property
    def held(self) -> int:
        """What of it cannot be read yet."""
        return max(0, self.end - max(self.readable, self.following))


async def read_lag(client: AIOKafkaClient, topics: Topics) -> Sequence[PartitionLag]:
    """Return every partition's lag. Retries without end: set a deadline.

    Raises:
        KafkaError: an error that will not pass by itself, as a topic that is missing.
    """
    topic = topics.award_requests
    partitions = await partitions_of(client, topic)
    # Committed before end: the other way round a partition could seem to be ahead of its own log.
    topic_id = await topic_id_of(client, topic)
    commits = await commits_of(client, topics.worker_group, topic, partitions)
    committed = {number: commit.offset for number, commit in commits.items() if is_of_topic(commit, topic_id)}
    first = await first_offsets(client, topic, partitions)
    end = await end_offsets(client, topic, partitions)
    # After the end: the other way round what came in meanwhile would seem to be held.
    readable = await readable_offsets(client, topic, partitions)
    return [
        PartitionLag(
            partition=number,
            committed=committed.get(number),
            following=_following(committed.get(number), first[number], end[number]),
            readable=readable[number],
            end=end[number],
        )
        for number in partitions
    ]


async def read_watermark(client: AIOKafkaClient, topics: Topics) -> int | None:
    """Return the relay's watermark as its group's coordinator has it now; None when there is none."""
    offsets = await committed_offsets(client, topics.relay_group, topics.relay_marker, [WATERMARK_PARTITION])
    return offsets.get(WATERMARK_PARTITION)


async def count_waiting(
    client: AIOKafkaClient, topics: Topics, *, tenant_id: UUID, participant_id: str
) -> RequestsWaiting | None:
    """Count what waits in all partitions, and of the participant; None when Kafka does not tell within 1.5 s."""
    key = request_key(tenant_id, participant_id)
    waiting: RequestsWaiting | None = None
    with suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(COUNT_SECONDS):
            lags = await read_lag(client, topics)
            own = lags[hash_of_key(key) % len(lags)]
            total = sum(lag.waiting for lag in lags)
            waiting = RequestsWaiting(
                total=total, partition=own.partition, in_partition=own.waiting, of_participant=None
            )
            counted = await count_of_key(
                client, topics.award_requests, own.partition, first=own.following, end=own.readable, key=key
            )
            waiting = replace(waiting, of_participant=counted)
    return waiting


def _following(committed: int | None, first: int, end: int) -> int:
    """Where the workers go on: what is committed, if the log still has it, else its beginning."""
    return committed if committed is not None and first <= committed <= end else first
