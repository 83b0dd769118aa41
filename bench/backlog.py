"""Requests that are queued on `award_requests`, as an upstream service publishes them, in large batches."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaProducer

from bench.installation import BADGE_CODE, Installation
from bench.participants import last_in_line, newcomer
from domain.awards import AwardRequest
from messaging.award_requested import encode_request
from messaging.clients import create_producer, stop_producer

BATCHES_UNDER_WAY = 24
_SOURCE = "/bench"


async def publish_requests(place: Installation, participants: range, *, wave: str = "first") -> None:
    """Publish one request for each newcomer, spread over the partitions; requests of another wave are duplicates."""
    async with _producing(place) as (producer, partitions):
        for partition in range(partitions):
            numbers = participants[partition::partitions]
            await _publish(place, producer, partition, numbers, newcomer, wave)


async def publish_last_in_line(place: Installation) -> int:
    """Publish one more request to each partition, for participants without an award; return how many."""
    async with _producing(place) as (producer, partitions):
        for partition in range(partitions):
            await _publish(place, producer, partition, [partition], last_in_line, "last")
    return partitions


@asynccontextmanager
async def _producing(place: Installation) -> AsyncIterator[tuple[AIOKafkaProducer, int]]:
    producer = create_producer(place.kafka)
    await producer.start()
    try:
        yield producer, len(await producer.partitions_for(place.topics.award_requests))
    finally:
        await stop_producer(producer)


async def _publish(
    place: Installation,
    producer: AIOKafkaProducer,
    partition: int,
    numbers: Sequence[int],
    name: Callable[[int], str],
    wave: str,
) -> None:
    under_way: list[Any] = []
    batch = producer.create_batch()
    for number in numbers:
        record = _record(place, name(number), f"{wave}-{number}")
        if not _append(batch, record):
            under_way.append(await _send(place, producer, partition, batch))
            batch = producer.create_batch()
            _append(batch, record)
        if len(under_way) >= BATCHES_UNDER_WAY:
            await asyncio.gather(*under_way)
            under_way.clear()
    under_way.append(await _send(place, producer, partition, batch))
    await asyncio.gather(*under_way)


_Record = tuple[bytes, bytes, Sequence[tuple[str, bytes]]]


def _record(place: Installation, participant_id: str, request_id: str) -> _Record:
    return encode_request(
        AwardRequest(
            tenant_id=place.tenant_id,
            participant_id=participant_id,
            badge_code=BADGE_CODE,
            metadata=None,
            earned_at=datetime.now(UTC),
            request_id=request_id,
            source=_SOURCE,
        )
    )


def _append(batch: Any, record: _Record) -> bool:  # noqa: ANN401 - untyped in aiokafka
    key, value, headers = record
    return batch.append(timestamp=None, key=key, value=value, headers=list(headers)) is not None


async def _send(place: Installation, producer: AIOKafkaProducer, partition: int, batch: Any) -> Any:  # noqa: ANN401 - untyped in aiokafka
    batch.close()
    return await producer.send_batch(batch, place.topics.award_requests, partition=partition)
