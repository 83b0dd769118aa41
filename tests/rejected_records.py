"""Records that the worker rejects, and what is there of them afterwards."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from aiokafka import ConsumerRecord

from builders import award_request
from devstack.seed import DemoTenant
from messaging.award_requested import encode_request
from messaging.clients import create_producer, stop_producer
from messaging.outbox_payload import hash_of_key
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from observers import read_topic
from processes import Installation

Headers = Sequence[tuple[str, bytes | None]]

UNREADABLE = b"\xff\xfe\x00"
TYPED = [("ce_type", b"badges.award.requested.v1")]


async def put(kafka: KafkaSettings, *records: dict[str, Any]) -> None:
    """Publish records as somebody else's producer does."""
    producer = create_producer(kafka)
    await producer.start()
    try:
        topic = topics_of(kafka).award_requests
        count = len(await producer.partitions_for(topic))
        for record in records:
            batch = producer.create_batch()
            batch.append(**{"timestamp": None, "headers": [], **record})
            batch.close()
            partition = hash_of_key(record["key"]) % count if record["key"] else 0
            await (await producer.send_batch(batch, topic, partition=partition))
    finally:
        await stop_producer(producer)


def asking(tenant: DemoTenant, code: str, **changes: Any) -> dict[str, Any]:
    """A record that asks for the badge."""
    key, value, headers = encode_request(award_request(tenant_id=tenant.id, badge_code=code, **changes))
    return {"key": key, "value": value, "headers": list(headers)}


async def rejections(connection: asyncpg.Connection, count: int) -> Sequence[asyncpg.Record]:
    """The rejected requests, once there are so many."""
    async with asyncio.timeout(20):
        while await connection.fetchval("SELECT count(*) FROM rejected_requests") < count:
            await asyncio.sleep(0.05)
    rows: Sequence[asyncpg.Record] = await connection.fetch("SELECT * FROM rejected_requests")
    return rows


async def letters(place: Installation, count: int) -> Sequence[ConsumerRecord]:
    return await read_topic(place.kafka, topics_of(place.kafka).award_requests_dlq, at_least=count, settle=0.5)


def id_of(row: asyncpg.Record) -> str:
    return f"{row['topic']}-{row['partition']}-{row['offset']}"


async def define(connection: asyncpg.Connection, tenant: DemoTenant, code: str) -> None:
    await connection.execute(
        "INSERT INTO badges (id, tenant_id, code, name) VALUES ($1, $2, $3, 'Late')", uuid4(), UUID(tenant.id), code
    )
