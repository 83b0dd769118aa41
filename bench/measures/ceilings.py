"""What the hardware, Postgres and Kafka give when nothing of ours is in the way."""

from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median
from time import perf_counter
from uuid import UUID

from aiokafka import AIOKafkaProducer

from bench.installation import Installation, badge_id, connected
from bench.participants import newcomer
from bench.partitions import partitions_of
from bench.setting import Figures, Setting
from messaging.clients import create_producer, create_reader, stop_producer

BATCH = 1000
_VALUE = b"x" * 400
"""About as large as an event."""

_INSERT = """
    INSERT INTO awards (tenant_id, participant_id, badge_id, earned_at, request_id, source, topic, partition, "offset")
    SELECT * FROM unnest(
        $1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[],
        $7::text[], $8::int[], $9::bigint[]
    )
"""


async def bare_insert(setting: Setting) -> Figures:
    """Insert rows into `awards` itself, 1,000 in a statement and transaction, in the order of the key."""
    rows = setting.effort.drained
    async with setting.installation() as place, connected(place) as connection:
        badge = await badge_id(place)
        batches = [_columns(place, badge, range(first, min(first + BATCH, rows))) for first in range(0, rows, BATCH)]
        statement = await connection.prepare(_INSERT)
        began = perf_counter()
        for batch in batches:
            await statement.fetch(*batch)
        return {"bare_insert_per_second": rows / (perf_counter() - began)}


async def postgres_commit(setting: Setting) -> Figures:
    """Insert one row, and commit."""
    async with setting.installation() as place, connected(place) as connection:
        badge = await badge_id(place)
        statement = await connection.prepare(_INSERT)
        times = []
        for number in range(setting.effort.transactions):
            row = _columns(place, badge, range(number, number + 1))
            began = perf_counter()
            await statement.fetch(*row)
            times.append(perf_counter() - began)
    return {"postgres_commit_ms": median(times) * 1000}


def _columns(place: Installation, badge: UUID, numbers: range) -> Sequence[Sequence[object]]:
    """A row for each newcomer, as the arrays of `_INSERT`."""
    count = len(numbers)
    return (
        [place.tenant_id] * count,
        sorted(map(newcomer, numbers)),
        [badge] * count,
        [datetime.now(UTC)] * count,
        [f"first-{number}" for number in numbers],
        ["/bench"] * count,
        [place.topics.award_requests] * count,
        [number % 12 for number in numbers],
        list(numbers),
    )


async def produce_and_consume(setting: Setting) -> Figures:
    """Publish records one after the other with acks=all, then read them all."""
    async with setting.installation() as place:
        began = perf_counter()
        await _produce(place, setting.effort.produced)
        produced = perf_counter()
        seconds = await _consume(place, setting.effort.produced)
    return {
        "bare_produce_per_second": setting.effort.produced / (produced - began),
        "bare_consume_per_second": setting.effort.produced / seconds,
    }


async def kafka_transaction(setting: Setting) -> Figures:
    """Publish one record in a transaction, and commit."""
    async with setting.installation() as place:
        producer = AIOKafkaProducer(**place.kafka.connection(), transactional_id=f"{place.kafka.prefix}bench")
        await producer.start()
        times = []
        try:
            for _ in range(setting.effort.transactions):
                began = perf_counter()
                async with producer.transaction():
                    await producer.send_and_wait(place.topics.badge_awarded, _VALUE)
                times.append(perf_counter() - began)
        finally:
            await stop_producer(producer)
    return {"kafka_transaction_ms": median(times) * 1000}


async def _produce(place: Installation, records: int) -> None:
    producer = create_producer(place.kafka, linger_ms=5)
    await producer.start()
    try:
        for number in range(records):
            await producer.send(place.topics.badge_awarded, _VALUE, key=UUID(int=number).bytes)
        await producer.flush()
    finally:
        await stop_producer(producer)


async def _consume(place: Installation, records: int) -> float:
    reader = create_reader(place.kafka)
    await reader.start()
    try:
        partitions = await partitions_of(reader, place.topics.badge_awarded)
        began, seen = perf_counter(), 0
        reader.assign(partitions)
        await reader.seek_to_beginning(*partitions)
        while seen < records:
            seen += sum(len(found) for found in (await reader.getmany(timeout_ms=1000)).values())
        return perf_counter() - began
    finally:
        await reader.stop()
