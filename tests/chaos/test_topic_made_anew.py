"""The topic of requests is deleted and made anew under a running worker: nothing of the new one is skipped."""

import asyncio
from collections.abc import Sequence

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from builders import award_request, publish
from devstack.seed import DemoTenant
from domain.awards import AwardRequest
from messaging.settings import KafkaSettings
from messaging.topics import create_topics, topics_of
from processes import Installation

BEFORE = 200
AFTER = 600


async def make_anew(kafka: KafkaSettings) -> None:
    """Delete the topic of requests, and create it again once it is gone."""
    topic = topics_of(kafka).award_requests
    admin = AIOKafkaAdminClient(**kafka.connection())
    await admin.start()
    try:
        await admin.delete_topics([topic])
        async with asyncio.timeout(30):
            while topic in await admin.list_topics():
                await asyncio.sleep(0.05)
    finally:
        await admin.close()
    await create_topics(kafka, partitions=4)


def requests(demo: DemoTenant, when: str, count: int) -> Sequence[AwardRequest]:
    """Requests of so many participants."""
    return [award_request(tenant_id=demo.id, participant_id=f"{when}_{number}") for number in range(count)]


async def awarded(connection: asyncpg.Connection, count: int) -> None:
    """Return once there are so many awards."""
    async with asyncio.timeout(60):
        while await connection.fetchval("SELECT count(*) FROM awards") < count:
            await asyncio.sleep(0.1)


async def test_new_topic_is_read_from_its_beginning(
    worker: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    await publish(worker.kafka, *requests(demo, "before", BEFORE), partition=0)
    await awarded(connection, BEFORE)
    await make_anew(worker.kafka)
    await publish(worker.kafka, *requests(demo, "after", AFTER), partition=0)
    await awarded(connection, BEFORE + AFTER)
