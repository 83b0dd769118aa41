"""SIGTERM: the batch under way is finished and committed, and the group is left."""

import asyncio
import signal

import asyncpg

from builders import award_request, publish
from devstack.seed import DemoTenant
from messaging.topics import topics_of
from observers import read_topic
from processes import Installation

REQUESTS = 3000
SESSION_SECONDS = 6


async def test_worker_told_to_end_hands_its_partitions_over_at_once(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    leaving = await badges.worker(batch_size="50").ready()
    staying = await badges.worker(batch_size="50").ready()
    await publish(
        badges.kafka, *(award_request(tenant_id=demo.id, participant_id=f"user_{n}") for n in range(REQUESTS))
    )
    await asyncio.sleep(0.3)
    leaving.send(signal.SIGTERM)
    assert await asyncio.to_thread(leaving.wait) in {0, -signal.SIGTERM}
    loop = asyncio.get_running_loop()
    left_at = loop.time()
    await publish(badges.kafka, *(award_request(tenant_id=demo.id, participant_id=f"late_{n}") for n in range(40)))
    events = await read_topic(badges.kafka, topics_of(badges.kafka).badge_awarded, at_least=REQUESTS + 40)
    assert loop.time() - left_at < SESSION_SECONDS
    assert len(events) == REQUESTS + 40
    assert await connection.fetchval("SELECT count(*) FROM awards") == REQUESTS + 40
    assert staying.process is not None
    assert staying.process.poll() is None
