"""The topic of requests is deleted and made anew under a running worker: nothing of the new one is skipped."""

import asyncio
import signal
import time
from collections.abc import Sequence
from uuid import uuid4

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from builders import award_request, commit_for_workers, publish
from devstack.seed import DemoTenant
from domain.awards import AwardRequest
from messaging.group_offsets import open_client
from messaging.lag import read_lag
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
    deadline = time.monotonic() + 60
    while (found := await connection.fetchval("SELECT count(*) FROM awards")) < count:
        assert time.monotonic() < deadline, f"{found} of {count}"
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("is_seen", [True, False])
async def test_new_topic_is_read_from_its_beginning(
    *, is_seen: bool, worker: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    """Whether the worker sees that there was no topic for a while, or was stopped then."""
    first = worker.services[-1]
    await publish(worker.kafka, *requests(demo, "before", BEFORE), partition=0)
    await awarded(connection, BEFORE)
    if not is_seen:
        first.send(signal.SIGSTOP)
    await make_anew(worker.kafka)
    await publish(worker.kafka, *requests(demo, "after", AFTER), partition=0)
    first.send(signal.SIGCONT)
    assert await asyncio.to_thread(first.wait) == 1
    assert "topic.made_anew" in first.tail()
    worker.worker()
    await awarded(connection, BEFORE + AFTER)


async def test_offset_of_the_old_topic_does_not_skip_records_of_the_new_one(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    """A worker that hangs may commit it when the new topic is there."""
    await publish(badges.kafka, *requests(demo, "after", AFTER), partition=0)
    await commit_for_workers(badges.kafka, BEFORE, 0, note=str(uuid4()))
    async with open_client(badges.kafka) as client:
        assert sum(lag.waiting for lag in await read_lag(client, topics_of(badges.kafka))) == AFTER
    badges.worker()
    await awarded(connection, AFTER)
