"""The worker's group is set back to the beginning: everything is read again, and nothing happens twice."""

import asyncio
from collections.abc import Mapping

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition

from builders import award_request, commit_for_workers, publish
from devstack.seed import DemoTenant
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from observers import header, read_topic
from processes import Installation

GOOD = 40
BAD = 10


async def committed(kafka: KafkaSettings) -> Mapping[TopicPartition, int]:
    """The offsets that the group has committed."""
    admin = AIOKafkaAdminClient(**kafka.connection())
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(topics_of(kafka).worker_group)
    finally:
        await admin.close()
    return {partition: held.offset for partition, held in offsets.items()}


async def all_read(kafka: KafkaSettings) -> None:
    """Return once every request is read, and its offset committed."""
    async with asyncio.timeout(30):
        while sum((await committed(kafka)).values()) < GOOD + BAD:
            await asyncio.sleep(0.1)


async def test_requests_that_are_read_again_change_nothing(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    topics = topics_of(badges.kafka)
    good = [award_request(tenant_id=demo.id, participant_id=f"user_{number}") for number in range(GOOD)]
    bad = [award_request(tenant_id=demo.id, badge_code=f"unknown_{number}") for number in range(BAD)]
    worker = await badges.worker().ready()
    await publish(badges.kafka, *good, *bad)
    await all_read(badges.kafka)
    worker.stop()
    await commit_for_workers(badges.kafka, 0, *(place.partition for place in await committed(badges.kafka)))
    assert set((await committed(badges.kafka)).values()) == {0}
    before = await connection.fetch("SELECT * FROM awards ORDER BY participant_id")
    await badges.worker().ready()
    await all_read(badges.kafka)
    events = await read_topic(badges.kafka, topics.badge_awarded, at_least=GOOD, settle=1)
    letters = await read_topic(badges.kafka, topics.award_requests_dlq, at_least=BAD, settle=1)
    assert len({header(event, "ce_id") for event in events}) == len(events) == GOOD
    assert len({header(letter, "dlq_detail") for letter in letters}) == len(letters) == BAD
    assert await connection.fetch("SELECT * FROM awards ORDER BY participant_id") == before
