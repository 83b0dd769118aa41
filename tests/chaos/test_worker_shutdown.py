"""How fast partitions change hands: at SIGTERM, and when a named worker comes back."""

import asyncio
import signal

import asyncpg
import pytest

from builders import award_request, publish
from devstack.seed import DemoTenant
from messaging.group_offsets import committed_offsets, end_offsets, open_client, partitions_of, readable_offsets
from messaging.topics import topics_of
from observers import read_topic, worker_group
from processes import Installation

REQUESTS = 3000
SESSION_SECONDS = 6
BUSY_MACHINE_SECONDS = 4


@pytest.mark.parametrize("names", [({}, {}), ({"instance_id": "worker-1"}, {"instance_id": "worker-2"})])
async def test_worker_told_to_end_hands_its_partitions_over_at_once(
    names: tuple[dict[str, str], dict[str, str]],
    badges: Installation,
    demo: DemoTenant,
    connection: asyncpg.Connection,
) -> None:
    leaving = await badges.worker(batch_size="50", **names[0]).ready()
    staying = await badges.worker(batch_size="50", **names[1]).ready()
    await publish(
        badges.kafka, *(award_request(tenant_id=demo.id, participant_id=f"user_{n}") for n in range(REQUESTS))
    )
    await asyncio.sleep(0.3)
    leaving.send(signal.SIGTERM)
    assert await asyncio.to_thread(leaving.wait) == 0
    assert len((await worker_group(badges.kafka))[1]) == 1
    await publish(badges.kafka, *(award_request(tenant_id=demo.id, participant_id=f"late_{n}") for n in range(40)))
    events = await read_topic(badges.kafka, topics_of(badges.kafka).badge_awarded, at_least=REQUESTS + 40)
    assert len(events) == REQUESTS + 40
    assert await connection.fetchval("SELECT count(*) FROM awards") == REQUESTS + 40
    assert staying.process is not None
    assert staying.process.poll() is None


async def test_worker_told_to_end_finishes_its_batch_and_its_transaction(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    leaving = await badges.worker(batch_size="20").ready()
    topics = topics_of(badges.kafka)
    await publish(
        badges.kafka, *(award_request(tenant_id=demo.id, participant_id=f"user_{n}") for n in range(REQUESTS))
    )
    async with asyncio.timeout(20):
        while not await connection.fetchval("SELECT count(*) FROM awards"):
            await asyncio.sleep(0.01)
    leaving.send(signal.SIGTERM)
    await asyncio.to_thread(leaving.wait)
    awarded = await connection.fetchval("SELECT count(*) FROM awards")
    assert 0 < awarded < REQUESTS
    async with open_client(badges.kafka) as client:
        partitions = await partitions_of(client, topics.award_requests)
        done = await committed_offsets(client, topics.worker_group, topics.award_requests, partitions)
        assert sum(done.values()) == awarded
        partitions = await partitions_of(client, topics.badge_awarded)
        ends = await end_offsets(client, topics.badge_awarded, partitions)
        assert await readable_offsets(client, topics.badge_awarded, partitions) == ends
    assert await connection.fetchval("SELECT count(*) FROM outbox WHERE emit_seq IS NOT NULL") == 0


async def test_named_worker_that_was_killed_goes_on_at_once_when_it_is_back(
    badges: Installation, demo: DemoTenant
) -> None:
    worker = await badges.worker(instance_id="worker-1").ready()
    topic = topics_of(badges.kafka).badge_awarded
    await publish(badges.kafka, award_request(tenant_id=demo.id, participant_id="before"))
    await read_topic(badges.kafka, topic, at_least=1)
    loop = asyncio.get_running_loop()
    killed_at = loop.time()
    worker.kill()
    worker.start()
    await worker.ready()
    ready_at = loop.time()
    await publish(badges.kafka, award_request(tenant_id=demo.id, participant_id="after"))
    assert len(await read_topic(badges.kafka, topic, at_least=2)) == 2
    assert loop.time() < max(killed_at + SESSION_SECONDS, ready_at + BUSY_MACHINE_SECONDS)
